//! Pointers that moved, as people and programs read them.

use asof_proto::column::v1::Column;
use asof_proto::registry::v1::{Author, Moved, PointerMove};
use serde_json::{Value, json};

use crate::author::By;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows::{self, Style};
use crate::table::Table;
use crate::verb::Answer;

/// How pointers are to be moved, and how to tell what became of it.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    #[command(flatten)]
    by: By,
    /// Only show what would move, and what gates would say; exit with 1 if one would refuse.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Move also where a gate refuses; it is kept with the reason.
    #[arg(long, requires = "why")]
    pub(crate) skip_gates: bool,
    /// How to print what moved.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl How {
    /// In whose name, and why.
    pub(crate) fn author(&self) -> Option<Author> {
        self.by.author()
    }

    /// Prints what moved.
    pub(crate) fn tell(&self, out: &mut Out, moved: &Moved, words: &str) -> Result<Answer> {
        match self.output {
            Style::Json => out.json(&json(moved))?,
            Style::Table => print(out, moved, words, self.dry_run)?,
        }
        let refused = self.dry_run && !self.skip_gates && !moved.refusals.is_empty();
        Ok(if refused { Answer::Refused } else { Answer::Done })
    }
}

/// A line per pointer, what was left, what gates have against it, and the end of it: `promoted to prod`.
fn print(out: &mut Out, moved: &Moved, words: &str, dry_run: bool) -> Result<()> {
    for shift in &moved.moves {
        let to = shift.pinned.clone().unwrap_or_default();
        let from = if shift.from > 0 { shift.from.to_string() } else { "none".to_owned() };
        let mut line = format!("~ {} {} {from} → {}", pinned::words(&to), to.name, to.version);
        if !shift.others.is_empty() {
            let others: Vec<_> = shift.others.iter().map(pinned::reference).collect();
            line.push_str(&format!("   (another version goes on being read by {})", others.join(", ")));
        }
        out.painted(if shift.from > 0 { Paint::Yellow } else { Paint::Green }, line)?;
    }
    for stay in &moved.stays {
        out.painted(Paint::Dim, format!("= {}   stays: {}", stay.name, stay.reason))?;
    }
    for refusal in &moved.refusals {
        let named = |of: &Option<_>| of.as_ref().map(pinned::reference).unwrap_or_default();
        let (service, view) = (named(&refusal.service), named(&refusal.view));
        let verdict = if dry_run { "a gate refuses" } else { "a gate is skipped" };
        out.painted(Paint::Red, format!("! {verdict}: {service} reads {view}, which {}", refusal.reason))?;
    }
    let environment = &moved.environment;
    match (moved.moves.len(), dry_run) {
        (0, _) => out.line(format!("nothing to do: `{environment}` points there already")),
        (count, true) => out.line(format!("{count} would be {words} `{environment}`; nothing was changed")),
        (_, false) if moved.run.is_empty() => {
            out.line(format!("nothing to do: somebody did it in `{environment}` just now"))
        }
        (count, false) => out.line(format!("{count} {words} `{environment}` (run {})", moved.run)),
    }
}

/// All of it.
fn json(moved: &Moved) -> Value {
    let moves = moved.moves.iter().map(|shift| {
        json!({
            "definition": pinned::json_option(shift.pinned.as_ref()),
            "from": (shift.from > 0).then_some(shift.from),
            "others": shift.others.iter().map(pinned::json).collect::<Vec<_>>(),
        })
    });
    let refusals = moved.refusals.iter().map(|refusal| {
        json!({
            "service": pinned::json_option(refusal.service.as_ref()),
            "view": pinned::json_option(refusal.view.as_ref()),
            "reason": refusal.reason,
        })
    });
    let stays = moved.stays.iter().map(|stay| json!({ "name": stay.name, "reason": stay.reason }));
    json!({
        "environment": moved.environment,
        "run": (!moved.run.is_empty()).then_some(&moved.run),
        "moves": moves.collect::<Vec<_>>(),
        "refusals": refusals.collect::<Vec<_>>(),
        "stays": stays.collect::<Vec<_>>(),
    })
}

/// A move per line.
pub(crate) fn table(moves: &[PointerMove]) -> Table {
    let mut table = Table::new(["MOVED", "NAME", "FROM", "TO", "VERB", "WHO", "WHY", "RUN"]);
    for moved in moves {
        table.row(vec![
            moment(moved.at),
            moved.name.clone(),
            from(moved).map(|from| format!("@{from}")).unwrap_or_default(),
            format!("@{}", moved.to),
            moved.verb.clone(),
            moved.who.clone(),
            why(moved).cloned().unwrap_or_default(),
            moved.run.clone(),
        ]);
    }
    table
}

/// A move per row.
pub(crate) fn columns(environment: &str, moves: &[PointerMove]) -> Vec<Column> {
    let texts =
        |name: &str, text: &dyn Fn(&PointerMove) -> Option<String>| rows::texts(name, moves.iter().map(text).collect());
    vec![
        texts("environment", &|_| Some(environment.to_owned())),
        texts("name", &|moved| Some(moved.name.clone())),
        rows::numbers("from", moves.iter().map(|moved| from(moved).map(u64::from)).collect()),
        rows::numbers("to", moves.iter().map(|moved| Some(moved.to.into())).collect()),
        rows::moments("at", moves.iter().map(|moved| Some(moved.at)).collect()),
        texts("verb", &|moved| Some(moved.verb.clone())),
        texts("who", &|moved| Some(moved.who.clone()).filter(|who| !who.is_empty())),
        texts("why", &|moved| why(moved).cloned()),
        texts("run", &|moved| Some(moved.run.clone())),
    ]
}

/// All of a move.
pub(crate) fn move_json(environment: &str, moved: &PointerMove) -> Value {
    json!({
        "environment": environment,
        "name": moved.name,
        "from": from(moved),
        "to": moved.to,
        "at": moment(moved.at),
        "verb": moved.verb,
        "who": (!moved.who.is_empty()).then_some(&moved.who),
        "why": why(moved),
        "run": moved.run,
    })
}

fn from(moved: &PointerMove) -> Option<u32> {
    (moved.from > 0).then_some(moved.from)
}

/// Where nobody said why, the record has the verb.
fn why(moved: &PointerMove) -> Option<&String> {
    (moved.why != moved.verb).then_some(&moved.why)
}
