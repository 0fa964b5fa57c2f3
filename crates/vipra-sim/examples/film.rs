//! Draws every step of an expert's episode.
//!
//! Usage: `film OUT.png put|stack|push SEED [hand|gripper] [SIZE]`

use vipra_data::Frame;
use vipra_sim::{Embodiment, Expert, Scenes, Tabletop, TabletopConfig, TaskKind};

const COLUMNS: usize = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, task, seed, more @ ..] = &arguments[..] else { return Err("usage: film OUT.png TASK SEED".into()) };
    let tasks = TaskKind::ALL.into_iter().filter(|kind| kind.name() == task).collect();
    let scenes = Scenes { tasks, ..Scenes::default() };
    let embodiment =
        if more.first().is_some_and(|name| name == "hand") { Embodiment::Hand } else { Embodiment::Gripper };
    let size = more.get(1).map_or(Ok(128), |size| size.parse())?;
    let seed = seed.parse()?;
    let mut table = Tabletop::new(TabletopConfig { embodiment, scenes, size }, seed)?;
    let mut expert = Expert::new(&table, seed);
    let mut frames = vec![table.picture()];
    while table.steps() < table.most_steps() && !expert.is_done() {
        let action = expert.act(&table);
        table.step(&action)?;
        println!("{:2} {action:6.3?} state {:6.3?}", table.steps(), table.state());
        frames.push(table.picture());
    }
    println!("{}\n{:?}", table.instruction(), table.verdict());
    let mut sheet = Frame::new(size * COLUMNS, size * frames.len().div_ceil(COLUMNS));
    frames.iter().enumerate().for_each(|(at, frame)| sheet.paste(frame, at % COLUMNS * size, at / COLUMNS * size));
    sheet.save_png(out.as_ref())?;
    Ok(())
}
