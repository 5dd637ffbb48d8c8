//! Random queries whose every column counts.
//!
//! A query gives `k`, `at` and some numbers. It reads tables, or other such queries. Expressions are injective in each of their
//! columns; conditions are so mixed that they say yes and no about as often; and windows, aggregates and limits depend on no
//! order among equals.

/// Choices, one after another.
pub(super) struct Tape<'a> {
    choices: &'a [u32],
    place: usize,
}

impl<'a> Tape<'a> {
    pub(super) fn new(choices: &'a [u32]) -> Self {
        Tape { choices, place: 0 }
    }

    /// One of so many; the first when there are no more choices.
    fn choose(&mut self, of: usize) -> usize {
        let choice = self.choices.get(self.place).copied().unwrap_or(0);
        self.place += 1;
        choice as usize % of
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.choose(of.len())]
    }
}

/// Something in FROM: its text, and what its numbers, key and moment are called.
struct Source {
    from: String,
    numbers: Vec<String>,
    key: String,
    at: String,
}

/// A query with three columns at least.
pub(super) fn query(tape: &mut Tape<'_>) -> String {
    select(tape, 3, &mut 0).0
}

/// A query, and how many numbers it gives.
fn select(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    match tape.choose(if depth == 0 { 4 } else { 10 }) {
        0..=2 => rows(tape, depth, names, ""),
        3 => grouped(tape, depth, names),
        4 => windowed(tape, depth, names),
        5 => union(tape, depth, names),
        6 => rows(tape, depth, names, "DISTINCT "),
        7 => limited(tape, depth, names),
        8 => except(tape, depth, names),
        _ => with(tape, depth, names),
    }
}

fn source(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> Source {
    let alias = format!("q{names}");
    *names += 1;
    let of = |alias: &str, columns: &[&str], from: String| Source {
        from: format!("{from} AS {alias}"),
        numbers: columns.iter().map(|column| format!("{alias}.{column}")).collect(),
        key: format!("{alias}.k"),
        at: format!("{alias}.at"),
    };
    match tape.choose(if depth == 0 { 2 } else { 5 }) {
        0 => of(&alias, &["a", "b", "c"], "t".to_owned()),
        1 => of(&alias, &["x", "y", "z"], "u".to_owned()),
        2 | 3 => {
            let (query, count) = select(tape, depth - 1, names);
            let columns: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
            of(&alias, &columns.iter().map(String::as_str).collect::<Vec<_>>(), format!("({query})"))
        }
        _ => {
            // Joins of joins of joins would have too many rows.
            let depth = (depth - 1).min(1);
            let (left, mut right) = (source(tape, depth, names), source(tape, depth, names));
            // A join on the right side would have to stand in brackets; they are taken from the left.
            if !right.from.starts_with('(') && right.from.contains(" ON ") {
                right = source(tape, 0, names);
            }
            let kind = *tape.pick(&["JOIN", "JOIN", "LEFT JOIN"]);
            let also = match tape.choose(3) {
                0 => format!(" AND {}", condition(tape, &right)),
                _ => String::new(),
            };
            Source {
                from: format!("{} {kind} {} ON {} = {}{also}", left.from, right.from, left.key, right.key),
                numbers: left.numbers.into_iter().chain(right.numbers).collect(),
                key: left.key,
                at: left.at,
            }
        }
    }
}

/// A number computed from numbers, injective in each.
fn value(tape: &mut Tape<'_>, of: &Source, names: &mut usize) -> String {
    let one = tape.pick(&of.numbers).clone();
    match tape.choose(7) {
        0 | 1 => one,
        2 => format!("{one} * 3 + 1"),
        3 => {
            let other = tape.pick(&of.numbers).clone();
            // A column less than itself would not count.
            if one == other { one } else { format!("{one} + 7 * {other}") }
        }
        4 => {
            let other = tape.pick(&of.numbers).clone();
            format!("CASE WHEN {} THEN {one} ELSE 5 * {other} END", condition(tape, of))
        }
        5 => {
            let (table, column, key) = *tape.pick(&[("t", "a", "k"), ("u", "x", "k"), ("u", "z", "k")]);
            let alias = format!("s{names}");
            *names += 1;
            let outer = match tape.choose(2) {
                0 => format!(" WHERE {alias}.{key} = {}", of.key),
                _ => String::new(),
            };
            format!("{one} + 11 * (SELECT sum({alias}.{column}) FROM {table} AS {alias}{outer})")
        }
        _ => format!("coalesce({one}, 4)"),
    }
}

/// A condition that is true about as often as not, and not related to any other.
fn condition(tape: &mut Tape<'_>, of: &Source) -> String {
    let column = tape.pick(&of.numbers).clone();
    let (times, plus) = (tape.choose(96) + 2, tape.choose(101));
    format!("({column} * {times} + {plus}) % 101 < 55")
}

fn filter(tape: &mut Tape<'_>, of: &Source, names: &mut usize) -> String {
    let alias = format!("s{names}");
    *names += 1;
    match tape.choose(6) {
        0 | 1 => format!(" WHERE {}", condition(tape, of)),
        2 => {
            let (table, column) = *tape.pick(&[("t", "b"), ("u", "y")]);
            let inner = Source {
                from: String::new(),
                numbers: vec![format!("{alias}.{column}")],
                key: String::new(),
                at: String::new(),
            };
            let condition = condition(tape, &inner);
            let word = *tape.pick(&["EXISTS", "NOT EXISTS"]);
            // About few enough rows that some of either kind are left.
            format!(
                " WHERE {word} (SELECT 1 FROM {table} AS {alias} WHERE {alias}.k = {} AND {alias}.at > {} AND {condition})",
                of.key, of.at
            )
        }
        3 => {
            let table = *tape.pick(&["t", "u"]);
            format!(" WHERE {} IN (SELECT {alias}.k FROM {table} AS {alias})", of.key)
        }
        _ => String::new(),
    }
}

fn outputs(numbers: &[String]) -> String {
    let named = numbers.iter().enumerate().map(|(n, value)| format!(", {value} AS c{n}"));
    named.collect()
}

fn rows(tape: &mut Tape<'_>, depth: usize, names: &mut usize, distinct: &str) -> (String, usize) {
    let source = source(tape, depth, names);
    let count = tape.choose(2) + 1;
    let numbers: Vec<String> = (0..count).map(|_| value(tape, &source, names)).collect();
    let filter = filter(tape, &source, names);
    let Source { from, key, at, .. } = source;
    (format!("SELECT {distinct}{key} AS k, {at} AS at{} FROM {from}{filter}", outputs(&numbers)), count)
}

fn grouped(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    let source = source(tape, depth, names);
    let count = tape.choose(2) + 1;
    let numbers: Vec<String> = (0..count)
        .map(|_| {
            let function = *tape.pick(&["sum", "max", "min"]);
            let filter = match tape.choose(3) {
                0 => format!(" FILTER (WHERE {})", condition(tape, &source)),
                _ => String::new(),
            };
            format!("{function}({}){filter}", tape.pick(&source.numbers))
        })
        .collect();
    let filter = filter(tape, &source, names);
    let Source { from, key, at, .. } = source;
    (format!("SELECT {key} AS k, max({at}) AS at{} FROM {from}{filter} GROUP BY {key}", outputs(&numbers)), count)
}

fn windowed(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    let source = source(tape, depth, names);
    let count = tape.choose(2) + 1;
    let numbers: Vec<String> = (0..count)
        .map(|_| {
            let column = tape.pick(&source.numbers).clone();
            let function = match tape.choose(4) {
                0 => "rank()".to_owned(),
                1 => format!("max({column})"),
                _ => format!("sum({column})"),
            };
            let order = match tape.choose(3) {
                0 => source.at.clone(),
                _ => tape.pick(&source.numbers).clone(),
            };
            format!("{function} OVER (PARTITION BY {} ORDER BY {order})", source.key)
        })
        .collect();
    let filter = filter(tape, &source, names);
    let Source { from, key, at, .. } = source;
    (format!("SELECT {key} AS k, {at} AS at{} FROM {from}{filter}", outputs(&numbers)), count)
}

fn union(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    let (left, count) = select(tape, depth - 1, names);
    let right = source(tape, depth - 1, names);
    let numbers: Vec<String> = (0..count).map(|_| value(tape, &right, names)).collect();
    let word = *tape.pick(&["UNION ALL", "UNION ALL", "UNION"]);
    let Source { from, key, at, .. } = right;
    let right = format!("SELECT {key} AS k, {at} AS at{} FROM {from}", outputs(&numbers));
    (format!("SELECT * FROM ({left}) {word} {right}"), count)
}

fn limited(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    let (inner, count) = select(tape, depth - 1, names);
    let columns: String = (0..count).map(|n| format!(", c{n}")).collect();
    let alias = format!("q{names}");
    *names += 1;
    // By every column: equals are equal.
    (format!("SELECT * FROM ({inner}) AS {alias} ORDER BY at, k{columns} LIMIT 9"), count)
}

fn except(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    let (left, count) = select(tape, depth - 1, names);
    let right = source(tape, depth - 1, names);
    let numbers: Vec<String> = (0..count).map(|_| format!("-1 - {}", tape.pick(&right.numbers))).collect();
    let Source { from, key, at, .. } = right;
    // Not what is on the left, of which nothing would be left.
    (format!("SELECT * FROM ({left}) EXCEPT SELECT {key}, {at}{} FROM {from}", outputs(&numbers)), count)
}

fn with(tape: &mut Tape<'_>, depth: usize, names: &mut usize) -> (String, usize) {
    let (inner, count) = select(tape, depth - 1, names);
    let alias = format!("w{names}");
    *names += 1;
    let l = Source {
        from: String::new(),
        numbers: (0..count).map(|n| format!("l.c{n}")).collect(),
        key: "l.k".to_owned(),
        at: "l.at".to_owned(),
    };
    let number = value(tape, &l, names);
    let condition = condition(tape, &l);
    (
        format!(
            "WITH {alias} AS ({inner}) SELECT l.k AS k, l.at AS at, {number} AS c0, r.c0 AS c1 FROM {alias} AS l JOIN {alias} AS r ON l.k = r.k WHERE {condition}"
        ),
        2,
    )
}
