//! `asof model`: what models were trained on, so that they are served the same.

use asof_model::{Label, ModelReference, Name};
use asof_proto::model::v1::{ListRequest, Model, RegisterRequest, ShowRequest, ShowResponse};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::args::Global;
use crate::author::By;
use crate::connection::Connection;
use crate::counted::counted;
use crate::failure::Result;
use crate::moments::moment;
use crate::out::{Out, Paint};
use crate::pinned;
use crate::rows::{self, Format, Style};
use crate::table::Table;
use crate::verb::Answer;
use crate::verb::show::manifest_json;

/// Register models, list them, show one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say which training set a version of a model was trained on; from then on `get --model` serves it.
    Register(Register),
    /// List models.
    Ls(Ls),
    /// Show a model: what it was trained on, what it takes and is given.
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Register {
    /// The model.
    name: Name,
    /// Its version, as its registry writes it: 7, 2026-11-01-a.
    version: Label,
    /// The training set that was built, as delays@3; without a number the newest.
    #[arg(long, value_name = "TRAINING_SET@N")]
    trained_on: String,
    /// Where the model itself lies.
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// What people should know of it.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    by: By,
    /// How to print what was registered.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

#[derive(Debug, clap::Args)]
struct Ls {
    /// Only versions of this model.
    name: Option<Name>,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The model.
    #[arg(value_name = "NAME@VERSION")]
    reference: ModelReference,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Style,
}

impl Args {
    /// Asks and prints.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn run(self, global: &Global, out: &mut Out) -> Result<Answer> {
        match self.what {
            What::Register(args) => args.run(global, out).await?,
            What::Ls(args) => args.run(global, out).await?,
            What::Show(args) => args.run(global, out).await?,
        }
        Ok(Answer::Done)
    }
}

impl Register {
    async fn run(self, global: &Global, out: &mut Out) -> Result<()> {
        let connection = Connection::open(global, "model register").await?;
        let request = RegisterRequest {
            scope: connection.scope(),
            name: self.name.to_string(),
            version: self.version.to_string(),
            trained_on: self.trained_on,
            uri: self.uri.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            author: self.by.author(),
        };
        let registered = connection.models().register(request).await?.into_inner();
        let model = registered.model.unwrap_or_default();
        if self.output == Style::Json {
            let run = (!registered.run.is_empty()).then_some(&registered.run);
            return out.json(&json!({ "model": document(&model), "run": run }));
        }
        let what = format!("{}, trained on {} of {}", named(&model), built(&model), service(&model));
        match registered.run.as_str() {
            "" => out.line(format!("nothing to do: {what}, is registered already (run {})", model.run)),
            run => out.line(format!("registered {what} (run {run})")),
        }
    }
}

impl Ls {
    async fn run(self, global: &Global, out: &mut Out) -> Result<()> {
        let connection = Connection::open(global, "model ls").await?;
        let name = self.name.map(|name| name.to_string()).unwrap_or_default();
        let request = ListRequest { scope: connection.scope(), name };
        let models = connection.models().list(request).await?.into_inner().models;
        let table = || {
            let mut table = Table::new(["MODEL", "TRAINED ON", "SERVICE", "REGISTERED", "DESCRIPTION"]);
            for model in &models {
                let cells = [named(model), built(model), service(model), moment(model.registered)];
                table.row(cells.into_iter().chain([model.description.clone()]).collect());
            }
            table
        };
        let texts = |name: &str, text: &dyn Fn(&Model) -> String| {
            rows::texts(name, models.iter().map(|model| Some(text(model)).filter(|text| !text.is_empty())).collect())
        };
        let columns = vec![
            texts("project", &|model| model.project.clone()),
            texts("name", &|model| model.name.clone()),
            texts("version", &|model| model.version.clone()),
            texts("trained_on", &built),
            texts("content", &|model| model.content.clone()),
            texts("service", &service),
            texts("uri", &|model| model.uri.clone()),
            texts("description", &|model| model.description.clone()),
            rows::moments("registered", models.iter().map(|model| Some(model.registered)).collect()),
            texts("run", &|model| model.run.clone()),
        ];
        rows::print(out, self.output, &[columns], table, || models.iter().map(document).collect())
    }
}

impl Show {
    async fn run(self, global: &Global, out: &mut Out) -> Result<()> {
        let connection = Connection::open(global, "model show").await?;
        let request = ShowRequest { scope: connection.scope(), reference: self.reference.to_string() };
        let shown = connection.models().show(request).await?.into_inner();
        if self.output == Style::Json {
            return out.json(&whole(&shown));
        }
        print(out, &shown)
    }
}

fn print(out: &mut Out, shown: &ShowResponse) -> Result<()> {
    let model = shown.model.clone().unwrap_or_default();
    out.painted(Paint::Bold, format!("model {}", named(&model)))?;
    let field = |out: &mut Out, name: &str, value: String| out.line(format!("  {name:<10} {value}"));
    field(out, "project", model.project.clone())?;
    field(out, "trained on", format!("{} (content {})", built(&model), model.content))?;
    if let Some(set) = &shown.training_set {
        let snapshots: Vec<_> = set.snapshots.iter().map(|(dataset, number)| format!("{dataset}@{number}")).collect();
        field(out, "from", format!("{}, {}", snapshots.join(", "), counted(set.rows, "row")))?;
        field(out, "digest", set.digest.clone())?;
    } else {
        field(out, "from", "a training set that is not there any more".to_owned())?;
    }
    field(out, "served by", service(&model))?;
    for (name, text) in [("uri", &model.uri), ("about", &model.description)] {
        if !text.is_empty() {
            field(out, name, text.clone())?;
        }
    }
    field(out, "registered", format!("{} (run {})", moment(model.registered), model.run))?;
    for (name, columns) in [("takes", &shown.request), ("is given", &shown.features)] {
        out.painted(Paint::Bold, name)?;
        columns.iter().try_for_each(|column| out.line(format!("  {}", pinned::column_text(column))))?;
    }
    if !shown.offline.is_empty() {
        let views: Vec<_> = shown.offline.iter().map(pinned::reference).collect();
        out.painted(Paint::Bold, "not online")?;
        out.line(format!("  asof materialize {}", views.join(" ")))?;
    }
    Ok(())
}

fn whole(shown: &ShowResponse) -> Value {
    json!({
        "model": shown.model.as_ref().map(document),
        "request": shown.request.iter().map(pinned::column_json).collect::<Vec<_>>(),
        "features": shown.features.iter().map(pinned::column_json).collect::<Vec<_>>(),
        "training_set": shown.training_set.as_ref().map(manifest_json),
        "offline": shown.offline.iter().map(pinned::json).collect::<Vec<_>>(),
    })
}

fn document(model: &Model) -> Value {
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    json!({
        "project": model.project,
        "name": model.name,
        "version": model.version,
        "trained_on": { "name": model.training_set, "number": model.number, "content": model.content },
        "service": pinned::json_option(model.service.as_ref()),
        "uri": said(&model.uri),
        "description": said(&model.description),
        "registered": moment(model.registered),
        "run": model.run,
    })
}

/// `fraud@7`.
fn named(model: &Model) -> String {
    format!("{}@{}", model.name, model.version)
}

/// `delays@3`.
fn built(model: &Model) -> String {
    format!("{}@{}", model.training_set, model.number)
}

fn service(model: &Model) -> String {
    model.service.as_ref().map(pinned::reference).unwrap_or_default()
}
