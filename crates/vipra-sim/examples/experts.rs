//! How often the experts succeed, how long they take, and how fast all of it runs.
//!
//! Usage: `experts [EPISODES] [hand|gripper]`

use std::time::Instant;

use rayon::prelude::*;
use vipra_sim::record::play;
use vipra_sim::{Embodiment, Scenes, Split, Tabletop, TabletopConfig, TaskKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let episodes: u64 = arguments.next().map_or(Ok(200), |count| count.parse())?;
    let only = arguments.next();
    for embodiment in Embodiment::ALL.into_iter().filter(|one| only.as_deref().is_none_or(|only| only == one.name())) {
        for split in Split::ALL {
            for task in TaskKind::ALL {
                let scenes = Scenes { split, tasks: vec![task], ..Scenes::default() };
                measure(&TabletopConfig { embodiment, scenes, size: 64 }, task, episodes)?;
            }
        }
    }
    Ok(())
}

fn measure(config: &TabletopConfig, task: TaskKind, episodes: u64) -> vipra_sim::Result<()> {
    let began = Instant::now();
    let play_one = |seed: u64| {
        let mut table = Tabletop::new(config.clone(), seed)?;
        let played = play(&mut table, seed, 0.0, false)?;
        Ok((played.actions.len(), played.verdict, seed))
    };
    let outcomes = (0..episodes).into_par_iter().map(play_one).collect::<vipra_sim::Result<Vec<_>>>()?;
    let won: Vec<_> = outcomes.iter().filter(|(_, verdict, _)| verdict.success_now).collect();
    let mut steps: Vec<usize> = won.iter().map(|(steps, ..)| *steps).collect();
    steps.sort_unstable();
    let failed: Vec<u64> =
        outcomes.iter().filter(|(_, verdict, _)| !verdict.success_now).map(|(.., seed)| *seed).collect();
    let ever = outcomes.iter().filter(|(_, verdict, _)| verdict.success_ever).count();
    let wrong = outcomes.iter().filter(|(_, verdict, _)| verdict.moved_wrong).count();
    let total: usize = outcomes.iter().map(|(steps, ..)| steps).sum();
    println!(
        "{:8} {:17} {:6} success {:3}/{episodes} ever {ever:3} wrong moved {wrong:3} steps median {:?} p90 {:?}; {:.0} steps/s; failed {failed:?}",
        config.embodiment.name(),
        config.scenes.split.name(),
        task.name(),
        won.len(),
        steps.get(steps.len() / 2),
        steps.get(steps.len() * 9 / 10),
        total as f64 / began.elapsed().as_secs_f64(),
    );
    Ok(())
}
