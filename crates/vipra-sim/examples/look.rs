//! Draws the first pictures of a few episodes side by side.
//!
//! Usage: `look OUT.png [SIZE] [hand|gripper]`

use vipra_data::Frame;
use vipra_sim::{Embodiment, Tabletop, TabletopConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("usage: look OUT.png [SIZE] [hand|gripper]")?;
    let size = arguments.next().map_or(Ok(128), |size| size.parse())?;
    let embodiment = if arguments.next().as_deref() == Some("hand") { Embodiment::Hand } else { Embodiment::Gripper };
    let mut sheet = Frame::new(size * 4, size * 2);
    let mut table = Tabletop::new(TabletopConfig { embodiment, size, ..TabletopConfig::default() }, 0)?;
    for index in 0..8 {
        table.reset(index as u64)?;
        let closing = if index % 2 == 0 { 1.0 } else { -1.0 };
        for _ in 0..index {
            table.step(&[0.0, 0.0, -0.012, 0.0, 0.0, 0.0, closing])?;
        }
        sheet.paste(&table.picture(), (index % 4) * size, (index / 4) * size);
        println!("{index}: {}", table.instruction());
    }
    sheet.save_png(out.as_ref())?;
    Ok(())
}
