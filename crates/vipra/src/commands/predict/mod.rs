//! `vipra predict`.

mod moments;
mod page;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use vipra_data::Frame;
use vipra_data::contact_sheet::{SheetRow, contact_sheet};
use vipra_data::picture::to_png;
use vipra_data::writer::write_atomic;
use vipra_laq::TrainedLaq;
use vipra_laq::frames::to_pictures;
use vipra_laq::report::animation;
use vipra_page::Picture;
use vipra_policy::TrainedTransformer;
use vipra_policy::generate::{Imagined, Sampling, imagine};
use vipra_tokenizer::TrainedTokenizer;

use self::moments::{Moment, Reader};
use super::Outcome;
use super::device;
use crate::cli::PredictArgs;
use crate::files::check_outside;
use crate::output::{print, short};
use crate::progress::Progress;
use crate::run_folder::{LAQ_FILE, TOKENIZER_FILE};

/// Moments that are imagined from together.
const TOGETHER: usize = 4;

pub fn run(args: &PredictArgs) -> Result<Outcome> {
    print(&write_predictions(args)?)?;
    Ok(Outcome::Done)
}

/// Imagines futures, and writes pictures and a page of them. Returns the text to print.
pub fn write_predictions(args: &PredictArgs) -> Result<String> {
    check_outside([args.dataset.as_path()], &args.out, "the folder of pictures")?;
    let device = device(&args.device)?;
    let models = Models::open(args, &device)?;
    let mut reader = Reader::open(args, &models)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k };
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);

    let places = reader.places(args.episode.as_deref(), usize::from(args.count))?;
    let imagining = Progress::new("imagining", "moments");
    let mut shown = Vec::new();
    for together in places.chunks(TOGETHER) {
        let moments = together.iter().map(|place| reader.read(*place, &models)).collect::<Result<Vec<_>>>()?;
        let templates = moments.iter().map(|moment| {
            models.transformer.template(&moment.instruction, &moment.past_tokens, &moment.current_tokens)
        });
        let templates = templates.collect::<Result<Vec<_>, _>>()?;
        let imagined = imagine(&models.transformer, &templates, sampling, &mut random)?;
        for (moment, imagined) in moments.into_iter().zip(imagined) {
            shown.push(show(&moment, &imagined, &models, &args.out)?);
            imagining.set(shown.len(), places.len());
        }
    }
    drop(imagining);
    let page = args.out.join("predictions.html");
    write(&page, page::render(&args.model, &shown).as_bytes())?;
    write(&page.with_extension("json"), serde_json::to_string_pretty(&to_json(&shown))?.as_bytes())?;
    Ok(summary(&shown, &page))
}

/// Everything that takes part.
struct Models {
    transformer: TrainedTransformer,
    tokenizer: TrainedTokenizer,
    laq: TrainedLaq,
    device: Device,
}

impl Models {
    fn open(args: &PredictArgs, device: &Device) -> Result<Self> {
        let transformer = TrainedTransformer::open(&args.model, device)?;
        let beside = |name: &str, flag: &str, given: &Option<PathBuf>| match given {
            Some(path) => Ok(path.clone()),
            None => transformer
                .path
                .ancestors()
                .map(|folder| folder.join(name))
                .find(|file| file.is_file())
                .with_context(|| format!("no {name} beside {}: name it with {flag}", transformer.path.display())),
        };
        let tokenizer = TrainedTokenizer::open(&beside(TOKENIZER_FILE, "--tokenizer", &args.tokenizer)?, device)?;
        let laq = TrainedLaq::open(&beside(LAQ_FILE, "--laq", &args.laq)?, device)?;
        let wanted = &transformer.description;
        for (what, found, wanted) in [
            ("tokenizer", &tokenizer.fingerprint, &wanted.frames.fingerprint),
            ("latent action model", &laq.fingerprint, &wanted.latent_actions.fingerprint),
        ] {
            anyhow::ensure!(found == wanted, "the model was trained with another {what}: {found}, wanted is {wanted}");
        }
        Ok(Self { transformer, tokenizer, laq, device: device.clone() })
    }

    /// Decodes frames of tokens to pictures.
    fn decode(&self, frames: &[&[u16]]) -> Vec<Frame> {
        let tokens = frames.first().map_or(0, |frame| frame.len());
        let ids: Vec<i64> = frames.iter().flat_map(|frame| frame.iter().map(|id| i64::from(*id))).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [frames.len(), tokens]), &self.device);
        to_pictures(self.tokenizer.model.decode(ids))
    }

    /// Rolls codes out from a frame of the latent action model's size, `[1, 3, height, width]`.
    fn roll_out(&self, first: Tensor<4>, codes: &[u8]) -> Result<Vec<Frame>> {
        let length = self.transformer.description.latent_actions.length;
        let ids: Vec<i64> = codes.iter().map(|code| i64::from(*code)).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [codes.len()]), &self.device);
        let vectors = self.laq.model.quantizer.look_up(ids);
        let dim = vectors.dims()[1];
        let latents = vectors.reshape([1, codes.len() / length, length, dim]);
        let frames = self.laq.model.rollout(first.clone().unsqueeze_dim(1), latents)?;
        let mut pictures = to_pictures(first);
        pictures.extend(to_pictures(frames.squeeze_dim(0)));
        Ok(pictures)
    }
}

/// One moment with its pictures.
struct Shown {
    caption: String,
    /// That of its pictures, without the ending.
    file_name: String,
    /// Shares of the tokens of the frame ahead that are right: imagined, and if the current frame stayed.
    accuracy: Option<[f64; 2]>,
    /// Shares of the codes that are the true clip's.
    code_accuracy: Option<f64>,
    strip: Picture,
    animation: Option<Picture>,
}

fn show(moment: &Moment, imagined: &Imagined, models: &Models, out: &Path) -> Result<Shown> {
    let mut rows = Vec::new();
    let mut row = |label: &str, frames: Vec<Frame>| {
        let real = vec![true; frames.len()];
        rows.push(SheetRow { label: label.to_owned(), frames, real });
    };
    let matching =
        |a: &[u16], b: &[u16]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len().max(1) as f64;
    let mut accuracy = None;
    if imagined.latent_state.is_empty() {
        row("current | true frame ahead", vec![moment.current.clone(), moment.ahead.clone()]);
    } else {
        let mut decoded = models.decode(&[&moment.ahead_tokens, &imagined.latent_state]).into_iter();
        let mut frames = vec![moment.current.clone(), moment.ahead.clone()];
        frames.extend(decoded.by_ref());
        row("current | true frame ahead | the same through its tokens | imagined", frames);
        let of = |tokens: &[u16]| matching(tokens, &moment.ahead_tokens);
        accuracy = Some([of(&imagined.latent_state), of(&moment.current_tokens)]);
    }
    let mut animated = None;
    let mut code_accuracy = None;
    if !imagined.latent_actions.is_empty() {
        let rolled = models.roll_out(moment.first.clone(), &imagined.latent_actions)?;
        let moving = animation(&[&moment.truth, &rolled], models.transformer.description.interval_secs)?;
        animated = Some(Picture::new(moving)?);
        row("true frames", moment.truth.clone());
        row("imagined latent actions, rolled out", rolled);
        let right = imagined.latent_actions.iter().zip(&moment.codes).filter(|(a, b)| a == b).count();
        code_accuracy = Some(right as f64 / moment.codes.len().max(1) as f64);
    }
    let strip = Picture::new(to_png(&contact_sheet(&rows))?)?;
    write(&out.join(format!("{}.png", moment.file_name)), strip.bytes())?;
    if let Some(animation) = &animated {
        write(&out.join(format!("{}.gif", moment.file_name)), animation.bytes())?;
    }
    let (caption, file_name) = (moment.caption.clone(), moment.file_name.clone());
    Ok(Shown { caption, file_name, accuracy, code_accuracy, strip, animation: animated })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(write_atomic(path, bytes)?)
}

/// Lists the moments with the names of their pictures, for scripts and the report of a run.
fn to_json(shown: &[Shown]) -> Value {
    let moments = shown.iter().map(|one| {
        json!({
            "caption": one.caption,
            "strip": format!("{}.png", one.file_name),
            "animation": one.animation.as_ref().map(|_| format!("{}.gif", one.file_name)),
            "tokens_right": one.accuracy.map(|[imagined, _]| imagined),
            "tokens_right_of_current": one.accuracy.map(|[_, current]| current),
            "codes_right": one.code_accuracy,
        })
    });
    json!({ "moments": moments.collect::<Vec<_>>() })
}

fn summary(shown: &[Shown], page: &Path) -> String {
    let mut text = String::new();
    let mean = |values: Vec<f64>| short(values.iter().sum::<f64>() / values.len().max(1) as f64);
    let accuracies: Vec<[f64; 2]> = shown.iter().filter_map(|shown| shown.accuracy).collect();
    if !accuracies.is_empty() {
        let of = |at: usize| mean(accuracies.iter().map(|both| both[at]).collect());
        text.push_str(&format!(
            "tokens of the imagined frame that are right: {} (of the current frame: {})\n",
            of(0),
            of(1)
        ));
    }
    let codes: Vec<f64> = shown.iter().filter_map(|shown| shown.code_accuracy).collect();
    if !codes.is_empty() {
        text.push_str(&format!("imagined latent actions that are the true clip's: {}\n", mean(codes)));
    }
    text.push_str(&format!("{} moments in {}\n", shown.len(), page.display()));
    text
}
