//! Pointers that moved, as people and programs read them.

use asof_proto::column::v1::Column;
use asof_proto::registry::v1::{Author, Gate, Moved, PointerMove, Refusal, Verdict};
use serde_json::{Value, json};

use crate::author::By;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows::{self, Style};
use crate::table::Table;
use crate::verb::Answer;
use crate::verb::approve::approval_json;

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
        let refusing = |refusal: &&Refusal| !self.skip_gates || refusal.gate == "breaking";
        let refused = self.dry_run && moved.refusals.iter().any(|refusal| refusing(&refusal));
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
    for gate in &moved.gates {
        print_gate(out, moved, gate, dry_run)?;
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

/// What a gate says: a line, or one for each thing that it has against it.
fn print_gate(out: &mut Out, moved: &Moved, gate: &Gate, dry_run: bool) -> Result<()> {
    let name = &gate.name;
    match gate.verdict() {
        Verdict::Passed => out.painted(Paint::Green, format!("✓ {name}: {}", gate.said)),
        Verdict::NotAsked => out.painted(Paint::Yellow, format!("? {name}: not asked")),
        Verdict::Refused | Verdict::Unspecified => {
            let verdict = if dry_run { "refuses" } else { "is skipped" };
            moved.refusals.iter().filter(|refusal| refusal.gate == *name).try_for_each(|refusal| {
                out.painted(Paint::Red, format!("! {name} {verdict}: {}", refusal_text(refusal)))?;
                if refusal.remedy.is_empty() { Ok(()) } else { out.line(format!("    help: {}", refusal.remedy)) }
            })
        }
    }
}

fn refusal_text(refusal: &Refusal) -> String {
    match (&refusal.service, &refusal.view) {
        (Some(service), Some(view)) => {
            format!("{} reads {}, which {}", pinned::reference(service), pinned::reference(view), refusal.reason)
        }
        (Some(of), None) | (None, Some(of)) => format!("{} {}", pinned::reference(of), refusal.reason),
        (None, None) => refusal.reason.clone(),
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
            "gate": refusal.gate,
            "remedy": (!refusal.remedy.is_empty()).then_some(&refusal.remedy),
        })
    });
    let gates = moved.gates.iter().map(|gate| {
        let verdict = match gate.verdict() {
            Verdict::Passed => "passed",
            Verdict::Refused => "refused",
            Verdict::NotAsked => "not_asked",
            Verdict::Unspecified => "unknown",
        };
        json!({ "gate": gate.name, "verdict": verdict, "said": (!gate.said.is_empty()).then_some(&gate.said) })
    });
    let stays = moved.stays.iter().map(|stay| json!({ "name": stay.name, "reason": stay.reason }));
    json!({
        "environment": moved.environment,
        "run": (!moved.run.is_empty()).then_some(&moved.run),
        "moves": moves.collect::<Vec<_>>(),
        "refusals": refusals.collect::<Vec<_>>(),
        "gates": gates.collect::<Vec<_>>(),
        "stays": stays.collect::<Vec<_>>(),
    })
}

/// A move per line.
pub(crate) fn table(moves: &[PointerMove]) -> Table {
    // Where nobody is asked to approve, nothing is said of it.
    let approved = moves.iter().any(|moved| !moved.approvals.is_empty());
    let mut header = vec!["MOVED", "NAME", "FROM", "TO", "VERB", "WHO", "WHY", "RUN"];
    header.extend(approved.then_some("APPROVED BY"));
    let mut table = Table::new(header);
    for moved in moves {
        let mut row = vec![
            moment(moved.at),
            moved.name.clone(),
            from(moved).map(|from| format!("@{from}")).unwrap_or_default(),
            format!("@{}", moved.to),
            moved.verb.clone(),
            moved.who.clone(),
            why(moved).cloned().unwrap_or_default(),
            moved.run.clone(),
        ];
        row.extend(approved.then(|| approvers(moved)));
        table.row(row);
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
        "approvals": moved.approvals.iter().map(approval_json).collect::<Vec<_>>(),
    })
}

fn approvers(moved: &PointerMove) -> String {
    moved.approvals.iter().map(|approval| approval.who.as_str()).collect::<Vec<_>>().join(", ")
}

fn from(moved: &PointerMove) -> Option<u32> {
    (moved.from > 0).then_some(moved.from)
}

/// Where nobody said why, the record has the verb.
fn why(moved: &PointerMove) -> Option<&String> {
    (moved.why != moved.verb).then_some(&moved.why)
}
