"""Surface features of a prompt: what a vector of its meaning does not say, or says less plainly.

Prompt length alone is a strong prior of difficulty; the rest says what is asked for and how much of it.
Cheap by
design: one pass over the words with a dictionary and a few over the characters, of at most
    `MAX_CHARACTERS`. No pattern
backtracks, so that no text takes more than linear time.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping

from tiergate.policy.domain_terms import DOMAIN_TERMS, count_terms
from tiergate.policy.question_load import LOAD_FEATURES, load_features_of

MAX_CHARACTERS = 8_000
"""What the counts read: the start of a prompt. The lengths are those of the whole."""

_STEM = 6

# A word ending in * stands for every longer word that begins with its six letters.
_LEXICON = {
    "question_words": """
        what whats what's which who whose when where why how is are do does can should was wie wer
        wo warum quel quelle comment pourquoi qué cuál cómo dónde""",
    "imperatives": """
        write make give list explain describe compare summarise summarize translate convert create
        draft find fix show add rewrite turn plan extract sort put name define tell schreibe schreib
        erkläre écris explique escribe explica""",
    "reasoning_words": """
        prove proof proofs derive design analyse analyze analysis argue justify evaluate critique
        archit* optimise optimize trade-off trade-offs tradeoffs assumption assumptions risk risks
        strategy implic* rigorous counte* beweise démontre demuestra""",
    "constraints": """
        must only under without within exactly not never each every including budget limit ohne sans
        sin most least""",
    "first_person": """
        i i'm i've i'd my me we we're our us mein meine meinen meiner ich wir mon ma mes je nous mi
        mis nuestro""",
    "format_asked": """
        json yaml xml csv table tabelle tableau tabla bullet bullets checklist markdown html svg""",
    "length_asked": """
        words sentences sentence lines pages paragraph paragraphs characters minutes""",
    "finance_words": """
        money cash bank banks banking loan loans mortgage mortgages remort* tax taxes taxed invest
        invest* savings pension pensions 401k ira debt debts salary wage wages paycheck payroll
        credit interest stock stocks shares bond bonds etf etfs fund funds portfo* broker dividend
        divide* income retire retire* refina* invoice invoices budget insurance insura* annuity
        inheri* currency accoun* revenue profit profits margin margins deprec* usd eur dollars euros
        crypto bitcoin inflation kredit steuer steuern zinsen impôt impôts prêt hipoteca préstamo
        rent buyout payout owe""",
    "legal_words": """
        law laws legal legally illegal court courts sue sued suing lawsuit contract contra* clause
        clauses landlord landlo* tenant tenants lease evict evicted eviction lawyer lawyers attorney
        rights allowed police arrest arrest* judge judges jury liable liabil* copyright copyri*
        trademark tradem* patent patents licence license licenc* licens* agreement custody divorce
        visa fired gdpr consent defamation regulation compli* nda non-compete indemn* testament
        probate plaint* defend* statute crime felony prison binding termin* kündig* kündigen
        vermieter gericht darf bail tribunal droit contrato abogado witness heir""",
    "health_words": """
        symptom symptoms pain pains doctor doctors nurse pill pills tablets dose doses dosage mg
        blood fever pregnant pregna* disease diseases patient patients medicine medici* medical drug
        drugs hospital surgery diagno* treatment vaccine vaccines antibi* cancer diabetes diabetic
        insulin heart lung lungs rash allergy allerg* therapy clinic clinical infection infect*
        swollen arzt médecin salud""",
    "code_words": """
        python java javascript typescript js rust go bash shell git github docker kubern* api apis
        code function functi* class classes bug bugs regex react css html linux server thread
        threads compiler compil* algori* npm pip yaml json endpoint cli library repo commit deploy
        deploys async cache redis variable http https mutex""",
    "data_words": """
        data dataset databa* sql query queries excel pandas csv pivot column columns row rows chart
        charts dashboard kpi kpis statis* regres* median average mean sample variance correl* metric
        metrics model foreca* percent percen* spreadsheet spread* sheets join joins bigquery dbt
        spark outlier outliers""",
    "customer_words": """
        order orders refund refunds refunded delivery delive* parcel shipping ship customer custom*
        account password subscription subscr* app return returns ticket tickets support warranty
        login cancel voucher agent agents complaint update device wifi paket colis pedido""",
}


def _by_key(*, stems: bool) -> dict[str, tuple[str, ...]]:
    """Turn the lexicon around: features by whole word, or by stem."""
    table: dict[str, tuple[str, ...]] = {}
    for name, words in _LEXICON.items():
        for word in words.split():
            if word.endswith("*") == stems:
                key = word.removesuffix("*")
                table[key] = (*table.get(key, ()), name)
    return table


_FEATURES_OF_WORD = _by_key(stems=False)
_FEATURES_OF_STEM = _by_key(stems=True)

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_PATTERNS = {
    "sentences": re.compile(r"[.!?\u3002\uff01\uff1f](?:\s|$)"),
    "questions": re.compile(r"[?\uff1f]"),
    "code_marks": re.compile(r"[`{};]|\(\)|=>|->|[=!]=|::|</"),
    "mathematics_marks": re.compile(r"[=+*/^<>\u2264\u2265\u2211\u222b\u221a\u03c0\u00b1]"),
    "list_marks": re.compile(r"[,;:\n]"),
    "money_marks": re.compile(r"[$\u20ac\u00a3%]"),
}
_SHARES = {
    "quoted_share": re.compile(r'"[^"]*"|\u201c[^\u201c\u201d]*\u201d|`[^`]*`'),
    "digit_share": re.compile(r"\d+"),
    "non_ascii_share": re.compile(r"[^\x00-\x7f]+"),
    "upper_share": re.compile(r"[A-Z\u00c0-\u00d6\u00d8-\u00de]+"),
}

FEATURES = (
    "log_characters",
    "log_words",
    "log_lines",
    "mean_word_characters",
    *_PATTERNS,
    *_SHARES,
    *_LEXICON,
    *LOAD_FEATURES,
    *DOMAIN_TERMS,
)
"""Names of the features, in the order of the classifier's inputs."""


def features_of(prompt: str) -> Mapping[str, float]:
    """Return the surface features of a prompt, by the names in `FEATURES` and in their order.

    Counts are returned as log(1 + count), shares lie in [0, 1]; every value is finite for every text.

    Args:
        prompt: The last user turn.
    """
    text = prompt[:MAX_CHARACTERS]
    characters = max(len(text), 1)
    words = len(text.split())
    counts = {
        "log_characters": float(len(prompt)),
        "log_words": words * max(len(prompt) / characters, 1.0),
        "log_lines": float(text.count("\n")),
        "mean_word_characters": len(text) / max(words, 1),
    }
    values = {name: math.log1p(count) for name, count in counts.items()}
    values |= {name: math.log1p(len(pattern.findall(text))) for name, pattern in _PATTERNS.items()}
    values |= {name: sum(map(len, pattern.findall(text))) / characters for name, pattern in _SHARES.items()}
    hits = _lexicon_hits(text)
    values |= {name: math.log1p(hits[name]) for name in _LEXICON}
    values |= load_features_of(text)
    values |= {name: math.log1p(count) for name, count in count_terms(text).items()}
    return values


def _lexicon_hits(text: str) -> Counter[str]:
    hits: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        names = _FEATURES_OF_WORD.get(word) or _FEATURES_OF_STEM.get(word[:_STEM])
        if names:
            hits.update(names)
    return hits
