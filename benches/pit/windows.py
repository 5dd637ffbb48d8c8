"""As-of windows, asked of DuckDB in the two ways its SQL has for them; the rules are those of SEMANTICS: rows with
`start < ts <= t`, where `start` is `t - w` floored to the window's hop."""

HOUR = 3_600_000_000
DAY = 24 * HOUR
# Name, length and hop of each window, in microseconds.
WINDOWS = [("1h", HOUR, HOUR // 12), ("7d", 7 * DAY, HOUR), ("30d", 30 * DAY, DAY)]
AGGREGATES = ("sum", "count", "avg", "max")


def start(moment, length, hop):
    """No moment here lies before 1970, so a division floors."""
    return f"({moment} - {length}) // {hop} * {hop}"


def by_range(options):
    """Every event of the longest window joined to every spine row, then grouped; shorter windows are filters."""
    [view] = options.views
    value = f"e.{view.features[0]}"
    starts = ", ".join(f"{start('epoch_us(ts)', length, hop)} AS start_{name}" for name, length, hop in WINDOWS)
    aggregates = ", ".join(
        f"{aggregate}({value}) FILTER (WHERE e.us > s.start_{name}) AS {aggregate}_{name}"
        for name, _, _ in WINDOWS
        for aggregate in AGGREGATES
    )
    longest = max(WINDOWS, key=lambda window: window[1])[0]
    return f"""
        SELECT s.id, {aggregates}
        FROM (SELECT id, key, epoch_us(ts) AS us, {starts} FROM '{options.spine}') s
        LEFT JOIN (SELECT *, epoch_us(ts) AS us FROM '{view.files}') e
          ON s.key = e.key AND e.us <= s.us AND e.us > s.start_{longest}
        GROUP BY s.id"""


def by_union(options):
    """Events and spine rows in one stream, and a window over it at every row; only the spine's are kept."""
    [view] = options.views
    value = view.features[0]
    aggregates = ", ".join(
        f"{aggregate}({value}) OVER w{name} AS {aggregate}_{name}" for name, _, _ in WINDOWS for aggregate in AGGREGATES
    )
    windows = ", ".join(
        f"w{name} AS (PARTITION BY key ORDER BY us RANGE BETWEEN us - {start('us', length, hop)} - 1 PRECEDING AND CURRENT ROW)"
        for name, length, hop in WINDOWS
    )
    return f"""
        SELECT * EXCLUDE (key, us, {value}) FROM (
          SELECT *, {aggregates} FROM (
            SELECT NULL::BIGINT AS id, key, epoch_us(ts) AS us, {value} FROM '{view.files}'
            UNION ALL
            SELECT id, key, epoch_us(ts), NULL FROM '{options.spine}')
          WINDOW {windows})
        WHERE id IS NOT NULL"""
