//! The flow estimator without a network, on real frames moved in known ways.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use vipra_data::Frame;
use vipra_data::video::VideoDecoder;
use vipra_nn::optical_flow::{ClassicalFlow, FlowEstimator, flow_consistency};

const SIDE: usize = 128;
/// Samples along each axis from which a pixel is averaged, so that moved frames are as sharp as the one they come from.
const SAMPLES: usize = 4;
/// The requirement: mean end-point error over all pixels.
const MEAN_ERROR_PIXELS: f64 = 0.5;

/// Around the centre: turn, enlarge, then shift; in pixels of the small frame.
#[derive(Clone, Copy, Debug)]
struct Motion {
    degrees: f64,
    scale: f64,
    shift: [f64; 2],
}

impl Motion {
    fn apply(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let center = (SIDE as f64 - 1.0) / 2.0;
        let (x, y) = (x - center, y - center);
        [
            self.scale * (cos * x - sin * y) + center + self.shift[0],
            self.scale * (sin * x + cos * y) + center + self.shift[1],
        ]
    }

    fn undo(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let center = (SIDE as f64 - 1.0) / 2.0;
        let (x, y) = ((x - center - self.shift[0]) / self.scale, (y - center - self.shift[1]) / self.scale);
        [cos * x + sin * y + center, -sin * x + cos * y + center]
    }
}

const STILL: Motion = Motion { degrees: 0.0, scale: 1.0, shift: [0.0, 0.0] };

fn motions() -> Vec<Motion> {
    vec![
        STILL,
        Motion { shift: [1.0, 0.0], ..STILL },
        Motion { shift: [-2.5, 1.5], ..STILL },
        Motion { shift: [0.0, 4.0], ..STILL },
        Motion { shift: [6.0, 0.0], ..STILL },
        Motion { shift: [-4.2, -4.2], ..STILL },
        Motion { scale: 1.06, ..STILL },
        Motion { scale: 0.94, ..STILL },
        Motion { degrees: 4.0, ..STILL },
        Motion { degrees: -3.0, scale: 1.03, shift: [1.0, -2.0] },
    ]
}

/// The middle of a frame, moved, as `SIDE`×`SIDE` pixels. Some of the frame is kept around it, so that what moves in from
/// outside is real too.
fn render(frame: &Frame, motion: Motion) -> Vec<f32> {
    let shorter = frame.width().min(frame.height()) as f64;
    let zoom = shorter / (SIDE as f64 + 24.0);
    let corner = [frame.width(), frame.height()].map(|size| (size as f64 - zoom * SIDE as f64) / 2.0);
    let mut pixels = vec![0.0; 3 * SIDE * SIDE];
    for y in 0..SIDE {
        for x in 0..SIDE {
            for sample in 0..SAMPLES * SAMPLES {
                let within = |index: usize| (index as f64 + 0.5) / SAMPLES as f64 - 0.5;
                let at = [x as f64 + within(sample % SAMPLES), y as f64 + within(sample / SAMPLES)];
                let [from_x, from_y] = motion.undo(at);
                let source = [corner[0] + zoom * (from_x + 0.5) - 0.5, corner[1] + zoom * (from_y + 0.5) - 0.5];
                for channel in 0..3 {
                    pixels[(channel * SIDE + y) * SIDE + x] += sampled(frame, source, channel);
                }
            }
        }
    }
    pixels.into_iter().map(|sum| sum / (SAMPLES * SAMPLES) as f32 / 255.0).collect()
}

fn sampled(frame: &Frame, [x, y]: [f64; 2], channel: usize) -> f32 {
    let x = x.clamp(0.0, frame.width() as f64 - 1.001);
    let y = y.clamp(0.0, frame.height() as f64 - 1.001);
    let (left, top) = (x.floor() as usize, y.floor() as usize);
    let (share_x, share_y) = (x.fract() as f32, y.fract() as f32);
    let pixel = |x: usize, y: usize| f32::from(frame.pixel(x, y)[channel]);
    let upper = pixel(left, top) * (1.0 - share_x) + pixel(left + 1, top) * share_x;
    let lower = pixel(left, top + 1) * (1.0 - share_x) + pixel(left + 1, top + 1) * share_x;
    upper * (1.0 - share_y) + lower * share_y
}

/// Frames from the shared videos; without these it says so and returns none.
fn frames() -> Option<Vec<(String, Frame)>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("VIPRA_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let folder = workspace.join(shared).join("data");
    let videos = [
        "videos/bridge_real_1.mp4",
        "videos/bridge_real_2.mp4",
        "simpler-widowx/videos/observation.images.third_person/chunk-000/file-000.mp4",
    ];
    let mut frames = Vec::new();
    for video in videos {
        let path = folder.join(video);
        if !path.exists() {
            // Straight to standard error: the test runner swallows what passing tests print.
            let line = format!("SKIPPED: no video, so no flow was checked: {}\n", path.display());
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        }
        let mut decoder = VideoDecoder::open(&path).unwrap();
        let mut take = |_: usize, _: f64, frame: &Frame| {
            frames.push((video.to_owned(), frame.clone()));
            Ok(())
        };
        decoder.frames_at(&[1.0, 3.0], &mut take).unwrap();
    }
    Some(frames)
}

fn pictures(of: &[Vec<f32>], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(of.concat(), [of.len(), 3, SIDE, SIDE]), device)
}

#[test]
fn known_motions_of_real_frames_are_found() {
    let Some(frames) = frames() else { return };
    let device = Device::flex();
    let estimator = ClassicalFlow::default();
    let mut worst = 0.0_f64;
    for motion in motions() {
        let mut errors = Vec::new();
        for (_, frame) in &frames {
            let pair = pictures(&[render(frame, STILL), render(frame, motion)], &device);
            let index = |index: i64| Tensor::<1, Int>::from_data([index], &device);
            let flow = estimator.flow(pair, index(0), index(1)).unwrap().try_into_vec_as::<f32>().unwrap();
            let mut sum = 0.0;
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let [to_x, to_y] = motion.apply([x as f64, y as f64]);
                    let found = [0, 1].map(|channel| f64::from(flow[(channel * SIDE + y) * SIDE + x]));
                    sum += (found[0] - (to_x - x as f64)).hypot(found[1] - (to_y - y as f64));
                }
            }
            errors.push(sum / (SIDE * SIDE) as f64);
        }
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        println!("{motion:?}: mean end-point error {mean:.3} px, by frame {errors:.3?}");
        worst = errors.into_iter().fold(worst, f64::max);
    }
    assert!(worst < MEAN_ERROR_PIXELS, "mean end-point error {worst} px");
}

/// Following the gradient of the loss brings the flow of a rebuilt pair nearer to the true one.
#[test]
fn following_the_gradient_corrects_the_motion() {
    let Some(frames) = frames() else { return };
    let device = Device::flex();
    let (_, frame) = &frames[0];
    let clip =
        |motion: Motion| -> Tensor<5> { pictures(&[render(frame, STILL), render(frame, motion)], &device).unsqueeze() };
    let target = clip(Motion { shift: [2.0, 0.0], ..STILL });
    let mut rebuilt = clip(STILL);
    let estimator = ClassicalFlow::default();
    let mut losses = Vec::new();
    for _ in 0..8 {
        let frames = rebuilt.clone().autodiff().require_grad();
        let loss = flow_consistency(&estimator, frames.clone(), target.clone(), None).unwrap();
        let gradient = frames.grad(&loss.backward()).unwrap();
        losses.push(loss.into_scalar::<f32>());
        rebuilt = rebuilt - gradient.sign() * 0.01;
    }
    println!("flow loss while following its gradient: {losses:.3?}");
    assert!(losses[7] < 0.7 * losses[0], "{losses:?}");
}
