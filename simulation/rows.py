"""The rows of the synthetic service: thirty-odd, most of them declared by conditions."""

from genpage.row import Row, Where

_GENRES = {
    "Action": "Action-Packed",
    "Adventure": "Adventures",
    "Animation": "Animation",
    "Comedy": "Comedies",
    "Crime": "Crime Stories",
    "Documentary": "Documentaries",
    "Drama": "Dramas",
    "Fantasy": "Fantasy Worlds",
    "Horror": "Horror After Dark",
    "Music": "Music and Stage",
    "Mystery": "Mysteries",
    "Romance": "Romance",
    "Sci-Fi": "Science Fiction",
    "Thriller": "Thrillers",
}
# Wide rows: together with kinds, decades and languages, enough to fill a page for anybody.
_MIXES = {
    "feel-good": ("Feel-Good Favourites", ("Comedy", "Romance", "Music", "Family")),
    "big-adventures": ("Big Adventures", ("Adventure", "Action", "Sci-Fi", "Sport")),
    "family-night": ("Family Night", ("Family", "Animation", "Fantasy")),
    "true-stories": ("True Stories and Great Feats", ("Documentary", "History", "Sport", "Music")),
    "heartfelt": ("Heartfelt Stories", ("Drama", "Romance", "History", "Family")),
    "strange-worlds": ("Strange New Worlds", ("Sci-Fi", "Fantasy", "Mystery", "Animation")),
    "crowd-pleasers": ("Weekend Crowd-Pleasers", ("Adventure", "Comedy", "Music", "Animation")),
    "clever": ("Clever and Curious", ("Mystery", "Documentary", "Comedy", "History")),
}
_DECADES = {
    "2020s": ("Made Since 2020", 2020, None),
    "2010s": ("Best of the 2010s", 2010, 2019),
    "earlier": ("Before 2010", None, 2009),
}
_LANGUAGES = {
    "en": "Watch in English",
    "es": "Para ver en español",
    "fr": "À voir en français",
    "pt": "Para ver em português",
}


def service_rows() -> tuple[Row, ...]:
    """All rows, member rows first."""
    return (
        Row("continue", "continue", "Continue Watching", pinned_position=0),
        Row("my-list", "my_list", "My List"),
        Row("because", "because", "Because You Watched"),
        Row("trending", "trending", "Trending Now"),
        Row("top-picks", "picks", "Top Picks for You"),
        Row("new", "new", "New This Month", Where(released_within_days=30.0)),
        Row("films", "kind", "Films", Where(kinds=("film",))),
        Row("series", "kind", "Series", Where(kinds=("show",))),
        Row("games", "kind", "Games to Play", Where(kinds=("game",))),
        Row("live", "kind", "Live Now", Where(kinds=("live",))),
        *(
            Row(name, "mix", title, Where(genres_any=genres))
            for name, (title, genres) in _MIXES.items()
        ),
        *(
            Row(genre.lower(), "genre", title, Where(genres_all=(genre,)))
            for genre, title in _GENRES.items()
        ),
        *(
            Row(f"decade-{name}", "decade", title, Where(year_from=first, year_to=last))
            for name, (title, first, last) in _DECADES.items()
        ),
        *(
            Row(f"language-{code}", "language", title, Where(languages=(code,)))
            for code, title in _LANGUAGES.items()
        ),
    )
