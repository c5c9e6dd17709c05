"""The words that titles, synopses and names are composed of, and where members live."""


def parts(text: str) -> tuple[str, ...]:
    """The parts of a list written as ``a | b | c``."""
    return tuple(part.strip() for part in text.split("|"))


PLACES = parts(
    "Port Alder|Saltmarsh|Vellin|Kestrel Bay|Old Marrow|Tamsin Heights|Novara|Brightwater|Cinder"
    " Hill|San Telmo|Lindqvist|Oakhollow|Marisol|Kinuta|Hanbit|Jaipura|Queensferry|Lago Verde"
    "|Nordhavn|Montclair|Silverton|Ashgrove|Ravensmoor|Copperfield|Santa Lua|Aldermoor|Whitby Falls"
    "|Costa Serena|Hollow Pines|Bellweather|Fernhill|Greywick|Juniper Street|Larkspur|Midwinter"
    "|Nightingale Lane|Otter Creek|Pemberley Cross|Quillon|Rosewater|Stonebridge|Thistledown"
    "|Umberland|Violet Row|Westerly|Yarrow|Zephyr Point|Amberley|Blackthorn|Calder"
)
ADJECTIVES = parts(
    "Silent|Crooked|Golden|Lost|Borrowed|Distant|Hidden|Restless|Painted|Frozen|Wandering|Little"
    "|Forgotten|Scarlet|Quiet|Broken|Bright|Hollow|Second|Secret|Velvet|Paper|Stolen|Burning"
    "|Gentle|Impossible|Invisible|Midnight|Moonlit|Northern|Ordinary|Patient|Reluctant|Seventh"
    "|Stubborn|Sunday|Tangled|Unlikely|Upside-Down|Windswept|Wild|Winter|Electric|Curious"
    "|Barefoot|Clockwork|Emerald|Faraway|Half-Empty|Homesick"
)
TONES = {
    0: parts("warm|gentle|playful|big-hearted|wide-eyed|sunny|curious|tender|witty"),
    12: parts("bittersweet|wry|tense|stylish|restless|clear-eyed|slow-burning"),
    16: parts("dark|unsparing|nerve-racking|haunting|relentless|brooding"),
}
THEMES = parts(
    "friendship|courage|second chances|growing up|belonging|small-town life|honesty|ambition|memory"
    "|luck|loyalty|starting over|family|forgiveness|fame|home|grief|curiosity|patience|rivalry"
    "|trust|wonder|work|pride|the sea|silence|letting go|first love|getting lost"
)

# Country -> (share of members, main language, hours ahead of UTC).
COUNTRIES: dict[str, tuple[float, str, float]] = {
    "US": (0.24, "en", -5.0),
    "GB": (0.12, "en", 0.0),
    "BR": (0.12, "pt", -3.0),
    "DE": (0.10, "de", 1.0),
    "FR": (0.09, "fr", 1.0),
    "ES": (0.08, "es", 1.0),
    "MX": (0.08, "es", -6.0),
    "JP": (0.07, "ja", 9.0),
    "KR": (0.06, "ko", 9.0),
    "IN": (0.04, "hi", 5.5),
}
LANGUAGES = ("en", "es", "fr", "de", "pt", "ja", "ko", "hi")
# How often a title made elsewhere can be heard or read in a language.
DUBBED = {
    "en": 0.75,
    "es": 0.62,
    "fr": 0.58,
    "de": 0.4,
    "pt": 0.55,
    "ja": 0.2,
    "ko": 0.2,
    "hi": 0.2,
}

GIVEN_NAMES = {
    "en": parts(
        "Nora|Elliot|Maya|Jasper|Hazel|Owen|Ruby|Theo|Ada|Felix|Iris|Simon|Clara|Hugo|Wren"
    ),
    "es": parts("Lucia|Mateo|Elena|Diego|Carmen|Pablo|Ines|Rafael|Marta|Javier|Alba|Tomas"),
    "fr": parts("Camille|Luc|Manon|Etienne|Chloe|Remi|Juliette|Noe|Adele|Bastien|Lea|Olivier"),
    "de": parts("Greta|Jonas|Lena|Emil|Frieda|Anton|Klara|Moritz|Paula|Felix|Ida|Matthias"),
    "pt": parts("Beatriz|Tiago|Larissa|Caio|Isabel|Rui|Marina|Davi|Helena|Bruno|Luana|Andre"),
    "ja": parts("Haruka|Kenji|Yui|Sora|Aiko|Takumi|Mio|Ren|Naoko|Daichi|Emi|Shun"),
    "ko": parts("Jiwoo|Minjun|Seoyeon|Hyun|Yuna|Taeho|Haeun|Jisung|Sora|Dohyun|Nari|Woojin"),
    "hi": parts("Anaya|Arjun|Priya|Kabir|Meera|Rohan|Isha|Vikram|Tara|Dev|Leela|Nikhil"),
}
FAMILY_NAMES = {
    "en": parts(
        "Ashworth|Bell|Carver|Dunmore|Ellery|Fairfax|Grant|Holloway|Marsh|Penrose|Quinn|Vance"
    ),
    "es": parts("Alvarado|Benitez|Cortes|Duarte|Fuentes|Ibarra|Molina|Navarro|Quiroga|Salas|Vega"),
    "fr": parts(
        "Aubert|Blanchard|Chevalier|Delacroix|Fournier|Garnier|Lambert|Mercier|Renaud|Vidal"
    ),
    "de": parts("Adler|Brandt|Engel|Falk|Hartmann|Keller|Lindner|Richter|Sommer|Vogel|Winter"),
    "pt": parts("Almeida|Barros|Cardoso|Farias|Lacerda|Moraes|Nogueira|Pires|Siqueira|Teixeira"),
    "ja": parts("Aoki|Fujita|Hayashi|Ishii|Kuroda|Matsuda|Nishimura|Okada|Sakai|Yamane"),
    "ko": parts("Ahn|Baek|Choi|Han|Jang|Kwon|Lim|Min|Seo|Yoon"),
    "hi": parts("Agarwal|Bose|Chandra|Desai|Iyer|Kapoor|Mehta|Nair|Rao|Sethi"),
}
