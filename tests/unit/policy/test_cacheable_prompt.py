"""Each rule with the prompts it is for, and the near misses it must leave alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason
from tiergate.policy.cacheable_prompt import find_obstacle, leans_on_earlier

NOW = [
    "What happened in Berlin today?",
    "Who is the current president of France?",
    "What is the latest version of Python?",
    "What's the weather in Lisbon?",
    "What time is it?",
    "How many days until Christmas?",
    "Which films come out next month?",
    "Give me the news from last week",
    "What did the market do in the past 3 days?",
    "When is next Monday?",
    "Is the Louvre still open?",
    "How old is Keanu Reeves?",
    "What is the bitcoin price?",
    "Which phone should I buy now?",
    "He arrived two days ago, which date was that?",
    "Wie ist das Wetter heute in Köln?",
    "¿Qué pasó ayer en Madrid?",
    "今天北京的天气怎么样",
]
NOT_NOW = [
    "What is the current through a 5 ohm resistor at 10 volts?",
    "How does datetime.now() work?",
    "Now explain monads to a child.",
    "What does `git log --since=yesterday` print?",
    'Translate "see you tomorrow at noon" into French.',
    "Finish the report by Friday at the latest means what?",
    "How do I cook rice in 20 minutes?",
    "How does weather forecasting work?",
    "Who was president of France in 1995?",
    "How long ago is not asked here: what is a leap year?",
    "What is a knowledge cutoff?",
    "From now on is an idiom; what is an idiom?",
]
CALLER = [
    "What is my balance?",
    "my account balance please",
    "Where is my order?",
    "Show me our open invoices",
    "When is my next appointment?",
    "Why was my card declined?",
    "How much money is left on my plan?",
    "Find a pizza place near me",
    "Where am I?",
    "What is my name?",
    "Which is the nearest pharmacy?",
    "What did I say about the budget?",
    "Am I still eligible for the discount?",
    "Wie hoch ist mein Kontostand?",
    "Is it legal to build a shed in my city?",
]
NOT_CALLER = [
    "What is a balance sheet?",
    "How do I reset my password?",
    "How can I change the address on my account?",
    "Write a poem about my dog",
    "Explain the nearest neighbour algorithm",
    "Round 3.6 to the nearest integer",
    "What is an order of magnitude?",
    "How does the song 'Where Is My Mind' begin?",
    "My code raises KeyError, what does the error mean?",
    "What is a memory card?",
    "What is our refund policy?",
    "What are our password rules?",
    "How long is our refund window?",
]
LEANING = [
    "and the second one?",
    "What about Spain?",
    "Why?",
    "Can you make it shorter?",
    "Explain that again",
    "But is it safe?",
    "Who wrote it?",
    "How tall is he?",
    "The latter, please, in two sentences",
    "Do they also sell shoes there?",
    "Translate your answer into German",
    "Yes, go ahead with the plan",
    "So which one is cheaper?",
    "Rewrite the above text as a list",
    "What is its population?",
    "in French please",
]
SELF_CONTAINED = [
    "What is the capital of Portugal?",
    "Write a function that sorts a list of integers",
    "Is it safe to eat raw eggs?",
    "How long does it take to boil an egg?",
    "Fix this code: for i in range(10) print(i)",
    "Explain the difference between TCP and UDP",
    "A train leaves Berlin at noon and drives 100 km per hour; when does it reach Hamburg if the way is 290 km?",
    'Translate this sentence: "The cat sat on the mat."',
    "List three rivers in Asia that are longer than 3000 km",
    "Name the second largest planet of the solar system",
]


@pytest.mark.parametrize("prompt", NOW)
def test_a_prompt_about_now_is_not_served_from_the_past(prompt: str) -> None:
    assert find_obstacle(prompt) is Reason.ABOUT_NOW


@pytest.mark.parametrize("prompt", CALLER)
def test_a_prompt_about_the_caller_is_not_shared(prompt: str) -> None:
    assert find_obstacle(prompt) is Reason.ABOUT_CALLER


@pytest.mark.parametrize("prompt", [*NOT_NOW, *NOT_CALLER])
def test_a_near_miss_may_be_cached(prompt: str) -> None:
    assert find_obstacle(prompt) is None


@pytest.mark.parametrize("prompt", LEANING)
def test_a_turn_that_leans_on_earlier_ones_is_recognised(prompt: str) -> None:
    assert leans_on_earlier(prompt)


@pytest.mark.parametrize("prompt", SELF_CONTAINED)
def test_a_turn_that_stands_alone_is_recognised(prompt: str) -> None:
    assert not leans_on_earlier(prompt)


@pytest.mark.parametrize("unit", ["my ", "what ", '"a ', "this past ", "``` ", "it is a ", "'x ", "\n:", "last few "])
def test_a_hostile_prompt_is_read_in_bounded_time(unit: str) -> None:
    began = time.process_time()
    find_obstacle(unit * 100_000)
    leans_on_earlier(unit * 100_000)
    assert time.process_time() - began < 5.0, "a pattern backtracks"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert find_obstacle(text) in {None, Reason.ABOUT_NOW, Reason.ABOUT_CALLER}
    assert leans_on_earlier(text) in {True, False}
