//! The steps of an explanation.

use std::fmt::Display;

use policy::auth_jwt::rejection::Rejection;
use serde::Serialize;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The token passes.
    Passed,
    /// The token would be refused for this alone.
    Refused,
    /// Nothing is checked here: it is shown because people want to know.
    Noted,
    /// It cannot be told, for want of what an earlier step should have found.
    Skipped,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedStep {
    /// What is looked at, such as `signature`.
    pub step: &'static str,
    /// How it went.
    pub outcome: StepOutcome,
    /// Whether this is why the token is refused.
    pub decides: bool,
    /// What was found.
    pub text: String,
    /// More of it, such as a line for each key.
    pub details: Vec<String>,
}

/// Steps with what each would have the module say.
#[derive(Debug, Default)]
pub struct Steps(Vec<(ExplainedStep, Option<Rejection>)>);

impl Steps {
    /// The token passes.
    pub fn pass(&mut self, step: &'static str, text: impl Display) {
        self.add(step, StepOutcome::Passed, text, None);
    }

    /// The token is refused.
    pub fn refuse(&mut self, step: &'static str, text: impl Display, rejection: Rejection) {
        self.add(step, StepOutcome::Refused, text, Some(rejection));
    }

    /// The token passes or is refused, by the module's check.
    pub fn check(
        &mut self,
        step: &'static str,
        text: impl Display,
        checked: Result<(), impl Into<Rejection>>,
    ) {
        match checked {
            Ok(()) => self.pass(step, text),
            Err(rejection) => {
                let rejection = rejection.into();
                self.refuse(step, format!("{text}: {rejection}"), rejection);
            }
        }
    }

    /// Something to know.
    pub fn note(&mut self, step: &'static str, text: impl Display) {
        self.add(step, StepOutcome::Noted, text, None);
    }

    /// It cannot be told.
    pub fn skip(&mut self, step: &'static str, text: impl Display) {
        self.add(step, StepOutcome::Skipped, text, None);
    }

    /// Adds lines to the last step.
    pub fn details(&mut self, lines: impl IntoIterator<Item = String>) {
        if let Some((step, _)) = self.0.last_mut() {
            step.details.extend(lines);
        }
    }

    /// All steps, with a mark at the first that has the module say this.
    pub fn decided_by(self, rejection: Option<&Rejection>) -> Vec<ExplainedStep> {
        let mut is_open = rejection.is_some();
        let steps = self.0.into_iter().map(|(mut step, own)| {
            step.decides = is_open && own.as_ref() == rejection;
            is_open &= !step.decides;
            step
        });
        steps.collect()
    }

    fn add(
        &mut self,
        step: &'static str,
        outcome: StepOutcome,
        text: impl Display,
        rejection: Option<Rejection>,
    ) {
        let step = ExplainedStep {
            step,
            outcome,
            decides: false,
            text: text.to_string(),
            details: Vec::new(),
        };
        self.0.push((step, rejection));
    }
}
