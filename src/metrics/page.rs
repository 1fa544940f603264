//! One scrape's text: Prometheus's exposition format, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::Histogram;

/// What a family is. Its word is that of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rises, and begins at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets, with a sum.
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The text while it is written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// One metric with its samples.
pub struct Family<'page> {
    text: &'page mut String,
    name: &'static str,
}

impl Page {
    /// Begins a metric: its name, what it is, and a sentence for who reads it. One without samples
    /// stands there with its sentence alone.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        let text = &mut self.text;
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        push_escaped(text, help, false);
        text.push_str("\n# TYPE ");
        text.push_str(name);
        text.push(' ');
        text.push_str(kind.word());
        text.push('\n');
        Family { text, name }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One value: a whole number, or one that is finite.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// The buckets of a histogram, its sum in seconds and its count.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        self.counted(labels, &histogram.counts(), histogram.sum());
    }

    /// The same of what was counted elsewhere: each bound with how many took at most so long, and last,
    /// without a bound, all of them.
    pub fn counted(
        &mut self,
        labels: &[(&str, &str)],
        counts: &[(Option<Duration>, u64)],
        sum: Duration,
    ) {
        for (bound, count) in counts {
            let bound = bound.map_or_else(
                || "+Inf".to_owned(),
                |bound| bound.as_secs_f64().to_string(),
            );
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_sum", labels, None, sum.as_secs_f64());
        let all = counts.last().map_or(0, |(_, all)| *all);
        self.line("_count", labels, None, all);
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let labels = labels.iter().copied();
        let mut separator = '{';
        for (name, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            push_escaped(self.text, value, true);
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
        // Writing into a String does not fail.
        let _ = writeln!(self.text, " {value}");
    }
}

/// The format escapes backslashes and line ends, and in labels quotes too.
fn push_escaped(text: &mut String, words: &str, is_label: bool) {
    for letter in words.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if is_label => text.push_str("\\\""),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_prometheus_text_form() {
        const BOUNDS: [Duration; 2] = [Duration::from_micros(2500), Duration::from_secs(60)];
        let mut page = Page::default();
        let mut family = page.family("calls_total", Kind::Counter, "Calls \\ \"all\"\nof them.");
        family.sample(&[], 3_u64);
        family.sample(&[("of", "a\"b\\c\nd"), ("to", "")], 2_u64);
        page.family("empty", Kind::Gauge, "Nothing.");
        let histogram = Histogram::new(&BOUNDS);
        histogram.observe(Duration::from_millis(1));
        histogram.observe(Duration::from_millis(500));
        page.family("took_seconds", Kind::Histogram, "How long.")
            .histogram(&[("of", "x")], &histogram);
        let expected = r#"# HELP calls_total Calls \\ "all"\nof them.
# TYPE calls_total counter
calls_total 3
calls_total{of="a\"b\\c\nd",to=""} 2
# HELP empty Nothing.
# TYPE empty gauge
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{of="x",le="0.0025"} 1
took_seconds_bucket{of="x",le="60"} 2
took_seconds_bucket{of="x",le="+Inf"} 2
took_seconds_sum{of="x"} 0.501
took_seconds_count{of="x"} 2
"#;
        assert_eq!(page.into_text(), expected);
    }
}
