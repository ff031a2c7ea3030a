//! The figures as a picture: SVG without a library, readable on light and on dark pages.

use crate::Figures;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const NAMES: f64 = 150.0;
const BARS: f64 = 330.0;
const ROW: f64 = 44.0;
const TOP: f64 = 58.0;

/// One bar a server: answers a second, with CPU and latency beside it, and below it what its 200 means.
pub(crate) fn svg(figures: &[Figures], connections: u32) -> String {
    let most = figures
        .iter()
        .map(|f| f.closed.per_second)
        .fold(1.0, f64::max);
    let height = TOP + ROW * figures.len() as f64 + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>Answers a second of livebridge and of what others would put in its place</title>\n\
         <style>\n\
         text {{ fill: #1f2328 }} .soft {{ fill: #59636e; font-size: 11px }} .bar {{ fill: #8c959f }} .ours {{ fill: #0969da }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #f0f6fc }} .soft {{ fill: #9198a1 }} .bar {{ fill: #656c76 }} .ours {{ fill: #4493f8 }}\n\
         }}\n\
         </style>\n\
         <text x=\"12\" y=\"22\" font-weight=\"600\">Callbacks answered a second, {connections} connections, two cores that also carry Kafka and the sender</text>\n\
         <text x=\"12\" y=\"40\" class=\"soft\">beside the bars: CPU a callback; p99 of the answer at a lower, even rate. Below the names: what a 200 means</text>\n"
    );
    for (place, f) in (0..).zip(figures) {
        let y = TOP + ROW * f64::from(place);
        let bar = (BARS * f.closed.per_second / most).max(1.0);
        let class = match f.name {
            "livebridge" => "bar ours",
            _ => "bar",
        };
        // Writing to a String can't fail.
        let _ = write!(
            svg,
            "<text x=\"12\" y=\"{name_y:.0}\">{name}</text>\n\
             <text x=\"12\" y=\"{means_y:.0}\" class=\"soft\">{means}</text>\n\
             <rect class=\"{class}\" x=\"{x:.0}\" y=\"{bar_y:.0}\" width=\"{bar:.1}\" height=\"18\" rx=\"2\"/>\n\
             <text x=\"{beside:.0}\" y=\"{name_y:.0}\">{rate} <tspan class=\"soft\">{cpu:.0} us, {p99:.1} ms</tspan></text>\n",
            name_y = y + 14.0,
            means_y = y + 29.0,
            bar_y = y,
            x = NAMES + 50.0,
            beside = NAMES + 58.0 + bar,
            name = escaped(f.name),
            means = escaped(f.means),
            rate = thousands(f.closed.per_second),
            cpu = f.closed.cpu_micros,
            p99 = f.open_p99,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// 21750 as 21,750.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
