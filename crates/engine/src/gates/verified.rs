//! `leakage` and `equal`: what the verb `verify` finds, on a small sample. Each is a run of its own, and on record.

use std::sync::Arc;

use asof_model::{Kind, Pinned, Result};
use asof_offline::Progress;

use super::{Answer, KEYS, MOMENTS, Question, Refusal, counted, exact};
use crate::{CompareRequest, Engine, Finding, Probe, Scope, VerifyRequest};

impl Question<'_> {
    fn scope(&self) -> Scope {
        Scope { project: self.project.clone(), environment: self.environment.clone() }
    }
}

impl Engine {
    /// Services that move, with all their views; and views that move and that none of these reads.
    pub(super) async fn ask_leakage(&self, question: &Question<'_>, progress: &Arc<dyn Progress>) -> Result<Answer> {
        let mut roots: Vec<Pinned> = question.moving(Kind::FeatureService).map(|r| r.pinned.clone()).collect();
        let read = self.catalog().closure(&roots).await?;
        let alone = question.moving(Kind::FeatureView).filter(|view| !read.iter().any(|r| r.pinned == view.pinned));
        roots.extend(alone.map(|view| view.pinned.clone()));
        let (mut refusals, mut clean) = (Vec::new(), Vec::new());
        for root in &roots {
            let probe = Probe { samples: MOMENTS, at: Vec::new() };
            let request = VerifyRequest { reference: exact(root), probe };
            let verified = self.verify(&question.scope(), request, Arc::clone(progress)).await?;
            for view in verified.views {
                let reason = match &view.finding {
                    Finding::Leak(leak) => format!(
                        "tells the future at {} of {}, in {}",
                        leak.moments,
                        counted(view.moments.len(), "moment"),
                        leak.features.join(", ")
                    ),
                    Finding::Unstable(_) => "gives other rows each time it is computed".to_owned(),
                    Finding::Clean | Finding::Rounding | Finding::Unchecked(_) => {
                        clean.push(view.view);
                        continue;
                    }
                };
                let remedy = format!("asof verify {} --leakage tells why", view.view.reference());
                let service = (root.kind == Kind::FeatureService).then(|| root.clone());
                refusals.push(Refusal { service, ..Refusal::about(Some(&view.view), reason, remedy) });
            }
        }
        clean.sort();
        clean.dedup();
        refusals.dedup_by(|a, b| a.view == b.view);
        let said = format!("{} at up to {MOMENTS} moments", counted(clean.len(), "view"));
        Ok(Answer { said, refusals })
    }

    pub(super) async fn ask_equal(&self, question: &Question<'_>, progress: &Arc<dyn Progress>) -> Result<Answer> {
        let (mut refusals, mut rows, mut services) = (Vec::new(), 0, 0);
        for service in question.moving(Kind::FeatureService).map(|service| &service.pinned) {
            services += 1;
            let request = CompareRequest { service: exact(service), samples: KEYS, seed: 0, at: None };
            let compared = match self.compare(&question.scope(), request, Arc::clone(progress)).await {
                Ok(compared) => compared,
                // Without a row there is no key to ask for, and nothing that could differ.
                Err(error) if error.code() == "nothing_to_compare" => continue,
                Err(error) => {
                    refusals.push(Refusal::about(
                        Some(service),
                        format!("cannot be compared: {}", error.message()),
                        error.remedy_text().unwrap_or_default(),
                    ));
                    continue;
                }
            };
            rows += compared.rows;
            if compared.differing > 0 {
                let mut features: Vec<_> = compared.mismatches.iter().map(|m| m.feature.as_str()).collect();
                features.sort_unstable();
                features.dedup();
                let reason = format!(
                    "serves what training does not give, in {} of {}: {}",
                    compared.differing,
                    counted(compared.rows, "key"),
                    features.join(", ")
                );
                let remedy =
                    format!("asof verify {} shows which; then materialize its views again", service.reference());
                refusals.push(Refusal::about(Some(service), reason, remedy));
            }
        }
        Ok(Answer { said: format!("{} of {}", counted(rows, "key"), counted(services, "service")), refusals })
    }
}
