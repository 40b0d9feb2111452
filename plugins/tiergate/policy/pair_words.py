"""Closed word lists of `policy.pair_features`: words that change the answer while hardly moving a vector."""

from collections.abc import Mapping
from types import MappingProxyType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _groups(text: str) -> Mapping[str, str]:
    """Map every word of a line to the line's first word."""
    return MappingProxyType({word: line.split()[0] for line in text.strip().splitlines() for word in line.split()})


def _opposites(text: str) -> Mapping[str, frozenset[str]]:
    """Map every word of the pairs `a/b` to its opposites."""
    found: dict[str, frozenset[str]] = {}
    for pair in text.split():
        here, there = pair.split("/")
        found[here] = found.get(here, frozenset()) | {there}
        found[there] = found.get(there, frozenset()) | {here}
    return MappingProxyType(found)


FUNCTION_WORDS = _words(
    "a an the this that these those of in on at to for from by with about into onto as and or but if then than so such "
    "is are was were be been being am do does did doing done have has had having will would shall should can could may "
    "might must i me my mine we us our ours you your yours he him his she her hers it its they them their theirs there "
    "here what which who whom whose when where why how please just also too very really quite some any get got let "
    "tell know want need like thanks thank hi hello hey ok okay kindly would'd lets give"
)
"""Words that carry little of what is asked."""

COURTESY = _words("please kindly thanks thank hi hello hey ok okay just maybe actually dear sorry cheers")
"""Words that never change the answer."""

CONTRACTIONS = MappingProxyType(
    {
        "what's": "what is", "whats": "what is", "who's": "who is", "where's": "where is", "when's": "when is",
        "how's": "how is", "that's": "that is", "there's": "there is", "it's": "it is", "i'm": "i am", "im": "i am",
        "i've": "i have", "ive": "i have", "i'd": "i would", "i'll": "i will", "you're": "you are", "we're": "we are",
        "they're": "they are", "you've": "you have", "we've": "we have", "let's": "let us", "can't": "can not",
        "cant": "can not", "cannot": "can not", "won't": "will not", "wont": "will not", "don't": "do not",
        "dont": "do not", "doesn't": "does not", "doesnt": "does not", "didn't": "did not", "didnt": "did not",
        "isn't": "is not", "isnt": "is not", "aren't": "are not", "wasn't": "was not", "weren't": "were not",
        "hasn't": "has not", "haven't": "have not", "havent": "have not", "hadn't": "had not",
        "shouldn't": "should not", "wouldn't": "would not", "couldn't": "could not", "mustn't": "must not",
        "u": "you", "ur": "your", "pls": "please", "plz": "please", "thx": "thanks", "info": "information",
        "vs": "versus", "btw": "by the way", "asap": "quickly", "w/o": "without", "etc": "and so on",
    }
)  # fmt: skip
"""Written-out forms of contractions and abbreviations."""

NEGATIONS = _words(
    "not no never none nothing neither nor without except excluding unless cannot nobody nowhere hardly barely avoid "
    "non ohne nicht kein keine pas sans jamais sin nunca exclude"
)
"""Words that turn a request round."""

QUANTIFIERS = _words(
    "all any some every each only both either most many few several none half whole entire always sometimes usually "
    "once twice daily weekly monthly yearly annually first last next previous current latest oldest newest total "
    "average per maximum minimum single multiple exactly least"
)
"""Words of scope and quantity."""

COMPARATIVES = _words(
    "more less fewer better worse best worst most least larger smaller bigger largest smallest biggest higher lower "
    "highest lowest longer shorter longest shortest faster slower fastest slowest cheaper cheapest older younger "
    "oldest youngest newer newest earlier later earliest latest stronger weaker strongest weakest heavier lighter "
    "greater greatest easier harder easiest hardest hotter colder warmer cooler safer nearest closest farthest"
)
"""Comparatives and superlatives."""

ANTONYMS = _opposites(
    """
    increase/decrease raise/lower buy/sell open/close start/stop enable/disable add/remove import/export
    upload/download encrypt/decrypt install/uninstall lock/unlock login/logout before/after hot/cold big/small
    large/small high/low fast/slow old/new old/young good/bad best/worst better/worse more/less most/least
    maximum/minimum max/min first/last left/right up/down in/out inside/outside above/below over/under near/far
    long/short wide/narrow heavy/light strong/weak hard/soft hard/easy difficult/easy rich/poor cheap/expensive
    true/false legal/illegal safe/dangerous safe/unsafe positive/negative male/female men/women man/woman boy/girl
    mother/father husband/wife son/daughter king/queen gain/lose win/lose profit/loss accept/reject accept/decline
    approve/deny allow/deny allow/block allow/forbid grant/revoke send/receive give/take lend/borrow push/pull
    teach/learn ask/answer credit/debit deposit/withdraw deposit/withdrawal income/expense asset/liability gross/net
    arrive/depart arrival/departure enter/exit entry/exit east/west north/south day/night morning/evening
    summer/winter spring/autumn early/late public/private internal/external input/output read/write encode/decode
    compress/decompress serialize/deserialize sync/async synchronous/asynchronous ascending/descending
    horizontal/vertical row/column rows/columns client/server parent/child create/delete insert/delete show/hide
    expand/collapse include/exclude connect/disconnect attach/detach mount/unmount subscribe/unsubscribe
    follow/unfollow join/leave hire/fire marry/divorce love/hate like/dislike agree/disagree advantage/disadvantage
    advantages/disadvantages pros/cons benefit/risk benefits/risks cause/effect causes/effects symptom/treatment
    symptoms/treatment symptoms/causes prevent/cause cure/cause acute/chronic upper/lower higher/lower
    larger/smaller bigger/smaller longer/shorter faster/slower cheaper/dearer older/younger earlier/later
    highest/lowest largest/smallest biggest/smallest longest/shortest fastest/slowest oldest/youngest
    earliest/latest singular/plural formal/informal active/passive past/future past/present present/future
    supply/demand theory/practice online/offline full/empty full/partial always/never all/none everyone/nobody
    with/without can/cannot increase/reduce grow/shrink freeze/melt heat/cool wet/dry dark/light black/white
    clean/dirty single/married alive/dead sick/healthy hypo/hyper lender/borrower landlord/tenant employer/employee
    buyer/seller plaintiff/defendant teacher/student doctor/patient quit/start activate/deactivate activate/cancel
    book/cancel order/return refund/charge upgrade/downgrade begin/end beginning/end top/bottom front/back
    incoming/outgoing
    """
)
"""Words to the words that ask for the opposite."""

UNITS = _groups(
    """
    km kilometer kilometers kilometre kilometres kms
    mile miles mi
    metre meter meters metres
    cm centimeter centimeters centimetre centimetres
    mm millimeter millimeters millimetre millimetres
    inch inches
    foot feet ft
    yard yards
    kg kilogram kilograms kilo kilos
    gram grams
    mg milligram milligrams
    pound pounds lb lbs
    ounce ounces oz
    tonne tonnes ton tons
    litre liter liters litres
    ml milliliter milliliters millilitre millilitres
    gallon gallons
    cup cups
    celsius centigrade
    fahrenheit
    kelvin
    second seconds sec secs
    ms millisecond milliseconds
    minute minutes mins
    hour hours hrs hr
    day days
    week weeks
    month months
    year years yrs
    decade decades
    kb kilobyte kilobytes
    mb megabyte megabytes
    gb gigabyte gigabytes
    tb terabyte terabytes
    mph
    kmh kph
    watt watts
    kilowatt kw kwh
    volt volts
    percent percentage %
    usd dollar dollars $ bucks
    eur euro euros €
    gbp sterling £ quid
    jpy yen ¥
    inr rupee rupees ₹
    cny yuan rmb
    chf franc francs
    btc bitcoin
    eth ethereum ether
    acre acres
    hectare hectares
    calorie calories kcal
    joule joules
    """
)
"""Units and currencies to one name each."""

DATES = _groups(
    """
    january jan
    february feb
    march
    april apr
    june jun
    july jul
    august aug
    september sep sept
    october oct
    november nov
    december dec
    monday mon mondays
    tuesday tue tues tuesdays
    wednesday wed wednesdays
    thursday thu thur thurs thursdays
    friday fri fridays
    saturday saturdays
    sunday sundays
    today
    yesterday
    tomorrow
    tonight
    weekend weekends
    morning mornings
    afternoon afternoons
    evening evenings
    night nights
    noon midday
    midnight
    spring
    summer
    autumn
    winter
    christmas xmas
    easter
    q1
    q2
    q3
    q4
    """
)
"""Names of days, months, seasons and times of day to one name each."""

LANGUAGE_NAMES = _words(
    "english french german spanish italian portuguese dutch polish russian ukrainian turkish arabic hebrew hindi urdu "
    "bengali chinese mandarin cantonese japanese korean vietnamese thai swedish norwegian danish finnish greek czech "
    "hungarian romanian latin python java javascript typescript rust go golang ruby php perl swift kotlin scala c sql "
    "bash powershell r matlab julia haskell lua dart cobol fortran"
)
"""Languages an answer may be asked in, programming languages included."""

FORMATS = _words(
    "json yaml xml csv tsv table list bullets bullet markdown html latex pdf excel word powerpoint outline essay email "
    "letter tweet poem haiku sonnet story song paragraph sentence summary code script diagram checklist faq report memo"
)
"""Forms an answer may be asked in."""

QUESTION_WORDS = MappingProxyType(
    {
        "what": "what", "which": "what", "who": "who", "whom": "who", "whose": "who", "when": "when", "where": "where",
        "why": "why", "how": "how", "is": "yes_no", "are": "yes_no", "do": "yes_no", "does": "yes_no", "did": "yes_no",
        "was": "yes_no", "were": "yes_no", "will": "yes_no", "has": "yes_no", "have": "yes_no", "am": "yes_no",
        "can": "may", "could": "may", "would": "may", "should": "should", "may": "may",
    }
)  # fmt: skip
"""Words that open a question, to its kind."""

ASKED = _words("who whom whose when where why")
"""Question words that no paraphrase exchanges."""

ASKED_NOUNS = MappingProxyType(
    {
        "time": "when", "year": "when", "date": "when", "day": "when", "month": "when", "place": "where",
        "country": "where", "city": "where", "location": "where", "reason": "why", "cause": "why", "person": "who",
    }
)  # fmt: skip
"""Nouns after "what" or "which", to the question word that they put otherwise."""

OWNERS = MappingProxyType(
    {
        "my": "1", "mine": "1", "our": "1", "ours": "1", "your": "2", "yours": "2", "he": "m", "him": "m", "his": "m",
        "she": "f", "her": "f", "hers": "f", "they": "3", "them": "3", "their": "3", "theirs": "3",
    }
)  # fmt: skip
"""Words that say whose a thing is, to the person. A bare "I" or "you" is left out: paraphrases exchange them."""

EVEN_HANDED = _words("and or nor vs versus between with plus than as like both either")
"""Words around which two sides may be exchanged."""

PERSONS = MappingProxyType(
    {
        "i": "1", "me": "1", "my": "1", "mine": "1", "we": "1", "us": "1", "our": "1", "you": "2", "your": "2",
        "yours": "2", "he": "m", "him": "m", "his": "m", "she": "f", "her": "f", "hers": "f", "they": "3", "them": "3",
        "their": "3",
    }
)  # fmt: skip
"""Pronouns to the person they name."""

NUMBER_WORDS = MappingProxyType(
    {
        "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
        "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
        "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
        "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "dozen": 12, "third": 3, "fourth": 4, "fifth": 5,
        "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
    }
)  # fmt: skip
"""Numerals to their value. "second" is left out: it is a unit too."""

MULTIPLIERS = MappingProxyType(
    {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "k": 1000, "mn": 10**6, "bn": 10**9}
)
"""Words that multiply the number before them."""

STOPWORDS_BY_LANGUAGE = MappingProxyType(
    {
        "en": _words("the is are what how to of and for in do does can my you please with on a i it"),
        "de": _words("der die das ist sind wie was und für nicht ein eine ich mit zu auf den dem kann mein bitte von"),
        "fr": _words("le la les est sont quel quelle comment et pour pas un une je avec des du que mon dans puis"),
        "es": _words("el los las es son qué cómo y para no un una yo con por del mi puedo cuál que en"),
        "it": _words("il lo gli è sono che come e per non un una io con di del mio posso nel quale"),
        "pt": _words("o os as é são que como e para não um uma eu com do da meu posso qual em"),
        "nl": _words("de het een is zijn wat hoe en voor niet ik met van mijn kan op te naar"),
    }
)
"""The commonest words of a language."""
