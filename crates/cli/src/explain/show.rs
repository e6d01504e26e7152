//! An explanation as text.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{ExplainedStep, Explanation, StepOutcome};
use crate::printable::printable;

/// How wide the names of steps are.
const NAME_WIDTH: usize = 11;

impl Explanation {
    /// A line for each step, and one for the verdict at the end.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            show_step(step, &mut text);
        }
        for line in &self.not_judged {
            _ = writeln!(
                text,
                "?     {:NAME_WIDTH$} {}",
                "not judged",
                printable(line)
            );
        }
        let verdict = match &self.refusal {
            None => format!("{}accepted{}: $jwt_status is ok", GOOD, GOOD.render_reset()),
            Some(refusal) => {
                let cure = refusal.cure.map(|cure| format!("; cure: {cure}"));
                format!(
                    "{BAD}refused{}: $jwt_status is {}, HTTP status {}: {}{}",
                    BAD.render_reset(),
                    self.jwt_status,
                    refusal.http_status,
                    printable(&refusal.reason),
                    cure.unwrap_or_default()
                )
            }
        };
        _ = writeln!(text, "\n{verdict}");
        text
    }
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

fn show_step(step: &ExplainedStep, text: &mut String) {
    let (mark, style) = match step.outcome {
        StepOutcome::Passed => ("ok", GOOD),
        StepOutcome::Refused => ("NO", BAD),
        StepOutcome::Noted => ("-", Style::new()),
        StepOutcome::Skipped => ("?", Style::new()),
    };
    let decides = if step.decides { "  <- decides" } else { "" };
    _ = writeln!(
        text,
        "{style}{mark:5}{} {:NAME_WIDTH$} {}{BAD}{decides}{}",
        style.render_reset(),
        step.step,
        printable(&step.text).replace('\n', " "),
        BAD.render_reset(),
    );
    for line in &step.details {
        _ = writeln!(
            text,
            "{:>width$}{}",
            "",
            printable(line).replace('\n', " "),
            width = NAME_WIDTH + 7
        );
    }
}
