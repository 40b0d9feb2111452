"""What a prompt's own words say against a stored answer: it asks about now, about the caller, or about earlier turns.

Careful rules, not a model: each is a short list that a reader can check, and a doubt costs a hit, never a wrong
answer. What stands in quotation marks or code is material, not a question, and is not read. No pattern backtracks
far: every repetition is bounded.
"""

import re

from tiergate.decisions import Reason

_READ_CHARACTERS = 4_000
"""What of a prompt is read, at either end."""

_FEW_WORDS = 12
_VERY_FEW_WORDS = 3
_OPENING_WORDS = 3

_MATERIAL = re.compile(
    r"```.{0,4000}?```|`[^`\n]{1,200}`"
    r"|\"[^\"\n]{1,400} [^\"\n]{1,400}\"|\u201c[^\u201d\n]{1,400} [^\u201d\n]{1,400}\u201d"
    r"|(?<=\s)'[^'\n]{1,200} [^'\n]{1,200}'(?=[\s.,;:!?]|$)",
    re.DOTALL,
)

_PERIOD = (
    r"(?:second|minute|hour|night|day|week|weekend|month|quarter|season|semester|year|decade|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|"
    r"october|november|december|spring|summer|autumn|fall|winter)s?"
)
_HOLDER = (
    r"(?:president|prime minister|chancellor|minister|ceo|cto|king|queen|pope|mayor|governor|senator|leader|head|owner|"
    r"coach|manager|champion|holder|government|price|prices|rate|rates|exchange|version|release|status|weather|"
    r"temperature|time|date|day|year|month|population|news|events?|affairs|law|laws|interest|inflation|score|standings|"
    r"stock|market|situation|record|capital|team|chair|director|rules|regulations|trends?|best practices?)"
)

_ABOUT_NOW = re.compile(
    r"\b(?:today|todays|today's|tonight|yesterday|yesterday's|tomorrow|tomorrow's|nowadays|currently|recently|"
    r"presently|"
    r"these days|right now|just now|at the moment|at present|as of (?:now|today)|up[- ]to[- ]date|to date|newest|"
    r"(?:most )?recent|breaking news|(?<!at the )latest|so far (?:this|in)|from now(?! on)|by now|until now|"
    r"this (?:very |coming |past )?(?:morning|afternoon|evening|moment|instant|" + _PERIOD + r")|"
    r"(?:last|next|past|coming|upcoming|previous) (?:(?:few|couple of|two|three|four|five|six|\d{1,4}) )?"
    + _PERIOD
    + r"|"
    r"current (?:\w{1,20} )?" + _HOLDER + r"|"
    r"what time is it|what (?:day|date|year|month) is it|(?:what is|what's) the (?:time|date|day)\b|"
    r"how old (?:is|are)|how (?:many (?:days|weeks|months|hours)|long) (?:until|till|is it until|are left|is left)|"
    r"(?:weather|forecast) (?:in|for|at|like|here|report)|(?:stock|share|bitcoin|btc|gold|oil|gas) price|"
    r"exchange rates?|news (?:about|on|from|in|of)|live scores?|still (?:alive|open|available|in office|in power))\b"
    r"|(?<!long )\bago\b"
    r"|(?<!^)(?<![.!?:\n] )(?<!\.)(?<!from )\bnow\b(?!\s*\()"
    r"|\b(?:heute|morgen fr\u00fch|gestern|derzeit|aktuell\w{0,3}|neueste\w?|diese (?:woche|nacht)|"
    r"aujourd'hui|hier soir|demain|actuellement|derni\u00e8res? nouvelles|maintenant|hoy|ayer|ma\u00f1ana|"
    r"actualmente|ahora|"
    r"oggi|ieri|domani|attualmente|adesso|hoje|ontem|amanh\u00e3|atualmente|agora|vandaag|gisteren|dzisiaj|wczoraj|"
    r"\u0441\u0435\u0433\u043e\u0434\u043d\u044f|\u0432\u0447\u0435\u0440\u0430|\u0437\u0430\u0432\u0442\u0440\u0430|"
    r"\u0441\u0435\u0439\u0447\u0430\u0441)\b"
    r"|\u4eca\u5929|\u73b0\u5728|\u6628\u5929|\u660e\u5929|\u6700\u65b0|\u76ee\u524d|\u4eca\u65e5|"
    r"\u4eca\u65e5\u306f|\u6628\u65e5|\u660e\u65e5|\uc624\ub298|\ub0b4\uc77c|\uc5b4\uc81c",
    re.IGNORECASE,
)

_OWN = (
    r"(?:accounts?|balances?|orders?|subscriptions?|invoices?|bills?|payments?|transactions?|statements?|transfers?|"
    r"location|address|appointments?|bookings?|reservations?|flights?|tickets?|packages?|parcels?|deliver(?:y|ies)|"
    r"shipments?|salary|payslip|calendar|schedule|meetings?|inbox|e?mails?|messages?|passwords?|username|profile|plan|"
    r"quota|usage|limits?|contract|claims?|case|application|refunds?|cards?|pin|ip(?: address)?|time ?zone|city|"
    r"country|"
    r"birthday|age|name|history|manager|portfolio|grades?|scores?|points|prescriptions?|results?|tasks?|notes?|files?|"
    r"documents?|reminders?|savings|debt|loan|mortgage|premium|top[- ]?up|money|horoscope)"
    r"(?! (?:polic(?:y|ies)|windows?|process(?:es)?|rules?|guidelines?|procedures?|formats?|requirements?|terms|pages?|"
    r"api|schema|handbook|manual|system|services?|department|conditions|types?|options))"
)
_ASKS_STATE = (
    r"(?:what(?:'s| is| are| was| were)?|where(?:'s| is| are)?|when(?:'s| is| are| does| do| will| was)?|"
    r"how (?:much|many)|why (?:is|was|has|have|did|are|were|hasn't|isn't)|show|list|tell me|give me|check|look up|find|"
    r"display|read|is|are|has|have|did|does|was|were|will|who(?:'s| is)?|which|summari[sz]e|cancel|book|send|track)"
)

_ABOUT_CALLER = re.compile(
    r"(?:^|[.!?\n,;] {0,2}|\bplease |\byou )"
    + _ASKS_STATE
    + r"\b[^.?!\n]{0,60}?\b(?:my|our)\b(?: [\w'-]{1,20}){0,2} "
    + _OWN
    + r"\b"
    r"|^\W{0,3}(?:my|our)(?: [\w'-]{1,20}){0,2} " + _OWN + r"(?: please| now)?\W{0,3}$"
    r"|\b(?:near|around|close to|next to) (?:me|us|here)\b|\bnearby\b|\bwhere (?:am i|are we)\b|\bwho am i\b"
    r"|\bin (?:my|our) (?:area|city|town|country|region|state|neighbou?rhood|street|time ?zone)\b|\blocal (?:time|"
    r"weather|news)\b"
    r"|\b(?:nearest|closest) (?:\w{1,20} )?(?:stores?|shops?|restaurants?|hospitals?|pharmac(?:y|ies)|stations?|"
    r"airports?|atms?|"
    r"banks?|caf\u00e9s?|cafes?|hotels?|branch|branches|schools?|doctors?|dentists?|supermarkets?|gyms?|post office)\b"
    r"|\bwhat (?:did|have) (?:i|we) (?:say|said|ask|asked|tell|told|mention|discuss|discussed|talk)|"
    r"\bdo you (?:remember|know) (?:me|my|what i)\b"
    r"|\b(?:last time|earlier) (?:i|we)\b|\bam i (?:still|eligible|logged|allowed|registered|being|on|due)\b|"
    r"\bdo i (?:owe|have any|still)\b"
    r"|\bmein(?:e|en|em|er)? (?:kontostand|bestellung|konto|rechnung|termin|standort)\b|\bmon (?:solde|compte|"
    r"adresse)\b|\bma (?:commande|facture)\b"
    r"|\bmi (?:saldo|cuenta|pedido|factura|ubicaci\u00f3n)\b|\bil mio (?:saldo|conto|ordine)\b|\bmeu (?:saldo|"
    r"pedido)\b|\bin meiner n\u00e4he\b|\bcerca de m\u00ed\b",
    re.IGNORECASE,
)

_OPENS_LEANING = re.compile(
    r"^\W{0,3}(?:and|but|or|so|then|also|plus|what about|how about|what if|why not|why so|ok(?:ay)?|yes|yeah|no|"
    r"nope|sure|"
    r"thanks|thank you|great|good|hmm|really|wait|again|more|another|continue|go on|carry on|keep going|next|elaborate|"
    r"instead|the (?:same|other|first|second|third|fourth|last|next|previous|former|latter)|same|shorter|longer|"
    r"simpler|"
    r"in (?:other words|short|\w{1,15} please)|too \w{1,15}|not (?:that|this|it)|und|et|y|e|oder)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:the (?:first|second|third|fourth|fifth|last|other|next|previous|latter|former) (?:one|two|option|point|"
    r"example|"
    r"answer|part|step|question|sentence|paragraph|item)s?|the (?:former|latter)|(?:as )?(?:mentioned|described|"
    r"listed) "
    r"(?:above|before|earlier)|the above|above (?:answer|example|code|text|list|table)|you (?:just )?"
    r"(?:said|mentioned|wrote|gave|suggested|listed|explained|told)|your (?:last |previous |first |own )?"
    r"(?:answer|response|reply|explanation|suggestion|example|list|code|summary|question)s?|which one|that one|"
    r"this one|"
    r"those ones|these ones|one more|(?:explain|say|do|write|make|try) (?:it|this|that|them) ?(?:again|shorter|longer|"
    r"simpler|better|differently|in)?)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|these|those|this|that)\b", re.IGNORECASE
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|does|would|will|can|could|isn't|should) it (?:[\w-]{1,20} ){0,3}(?:to|that|when|if)\b"
    r"|\bit(?:'s| is| was| takes?| took| rains?| snows?)(?: [\w-]{1,20}){0,2} (?:to|that|for|when|if)\b"
    r"|\bdoes it (?:take|cost|mean)\b|(?<=\w )that (?:\w{1,20}s|can|is|are|has|have|was|were|will)\b",
    re.IGNORECASE,
)
_CARRIES_MATERIAL = re.compile(r"[:\n].{12}|```|`[^`\n]{1,200}`|\"[^\"\n]{4}|https?://", re.DOTALL)


def find_obstacle(prompt: str) -> Reason | None:
    """Return why no stored answer may serve a prompt, by its own words, or None.

    Args:
        prompt: The last user turn.
    """
    question = _question_of(prompt)
    if _ABOUT_NOW.search(question):
        return Reason.ABOUT_NOW
    if _ABOUT_CALLER.search(question):
        return Reason.ABOUT_CALLER
    return None


def leans_on_earlier(prompt: str) -> bool:
    """Tell whether a later turn of a conversation cannot be understood alone ("and the second one?").

    Args:
        prompt: The last user turn of a conversation that has earlier ones.
    """
    words = prompt.split()
    if len(words) <= _VERY_FEW_WORDS or _OPENS_LEANING.match(prompt):
        return True
    if _CARRIES_MATERIAL.search(prompt):
        return False
    question = _question_of(prompt)
    if _POINTS_BACK.search(question):
        return True
    plain = _EXPLETIVE.sub(" ", question)
    found = _PRONOUN.search(plain)
    if found is None:
        return False
    return len(words) <= _FEW_WORDS or len(plain[: found.start()].split()) <= _OPENING_WORDS


def _question_of(prompt: str) -> str:
    """Return what is read of a prompt: without quoted material and code, the ends of a long one."""
    if len(prompt) > 2 * _READ_CHARACTERS:
        prompt = f"{prompt[:_READ_CHARACTERS]}\n{prompt[-_READ_CHARACTERS:]}"
    plain = prompt.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(_MATERIAL.sub(" ", plain).split(" "))
