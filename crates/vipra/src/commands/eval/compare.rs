//! `vipra eval compare`.

use anyhow::Result;
use vipra_eval::{Compared, compare, read_outcomes};

use super::outcomes_file;
use crate::cli::EvalCompareArgs;
use crate::commands::Outcome;
use crate::output::{print, print_json, table};

pub fn run(args: &EvalCompareArgs) -> Result<Outcome> {
    let (first_header, first) = read_outcomes(&outcomes_file(&args.first))?;
    let (second_header, second) = read_outcomes(&outcomes_file(&args.second))?;
    let compared = compare((&first_header, &first), (&second_header, &second))?;
    match args.json {
        true => print_json(&compared)?,
        false => print(&to_text(&compared))?,
    }
    Ok(Outcome::Done)
}

fn to_text(compared: &Compared) -> String {
    let rows = compared.comparisons.iter().map(|line| {
        vec![
            if line.split.is_empty() { "all".to_owned() } else { line.split.clone() },
            line.measure.to_owned(),
            line.first.trials.to_string(),
            line.first.to_string(),
            line.second.to_string(),
            line.only_first.to_string(),
            line.only_second.to_string(),
            format!("{:.4}", line.p_value),
        ]
    });
    let header = ["split", "", "n", "first", "second", "only first", "only second", "p (McNemar)"];
    let mut text = table(&header, rows.collect(), 2);
    if compared.unpaired != [0, 0] {
        let [first, second] = compared.unpaired;
        text.push_str(&format!("\n  {first} episodes of the first and {second} of the second have no partner\n"));
    }
    text
}
