//! Steps a second on one core: an expert at work, and a picture after each step.

use std::time::Instant;

use vipra_sim::{Embodiment, Expert, Tabletop, TabletopConfig};

const EPISODES: u64 = 20;

fn main() -> vipra_sim::Result<()> {
    println!("| who | pixels | steps/s | of a step, physics | of a step, picture |\n| --- | --- | --- | --- | --- |");
    for embodiment in Embodiment::ALL {
        for size in [64, 128, 256] {
            measure(TabletopConfig { embodiment, size, ..TabletopConfig::default() })?;
        }
    }
    Ok(())
}

fn measure(config: TabletopConfig) -> vipra_sim::Result<()> {
    let mut table = Tabletop::new(config, 0)?;
    let (mut steps, mut physics_secs, mut picture_secs) = (0, 0.0, 0.0);
    for seed in 0..EPISODES {
        table.reset(seed)?;
        let mut expert = Expert::new(&table, seed);
        while !expert.is_done() && table.steps() < table.most_steps() {
            let began = Instant::now();
            let action = expert.act(&table);
            table.step(&action)?;
            physics_secs += began.elapsed().as_secs_f64();
            let began = Instant::now();
            std::hint::black_box(table.observe());
            picture_secs += began.elapsed().as_secs_f64();
            steps += 1;
        }
    }
    let each = |secs: f64| 1e3 * secs / f64::from(steps);
    let rate = f64::from(steps) / (physics_secs + picture_secs);
    let (who, size) = (table.config().embodiment.name(), table.config().size);
    println!("| {who} | {size} | {rate:.0} | {:.2} ms | {:.2} ms |", each(physics_secs), each(picture_secs));
    Ok(())
}
