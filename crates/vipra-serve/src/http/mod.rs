//! The HTTP API of ViPRA's published server (reference 13): `/reset`, `/step`, `/step_bytes`.

mod body;
mod nested;
mod states;
mod step_body;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Value, json};
use vipra_control::{ActionChunk, MAX_INSTRUCTION_BYTES, Observation};
use vipra_data::Frame;

use crate::failure::Failure;
use crate::field_names::FieldNames;
use crate::options::Units;
use crate::picture;
use crate::server::App;
use crate::{Error, Result};
use body::{form, json_body};
use nested::Nested;
use states::States;
use step_body::StepBody;

/// What a client calls what a policy may refuse.
const NAMES: FieldNames = FieldNames { frames: "image", instruction: "task_description", proprio: states::FIELD };

/// Names of the images in a form, the older one first.
const FORM_IMAGES: [&str; 2] = ["image0", "image1"];

#[derive(Deserialize)]
struct ResetBody {
    task_description: String,
}

/// What a step is asked with, whatever it came as.
struct Asked {
    frames: [Frame; 2],
    task: Option<String>,
    states: Option<States>,
}

/// `POST /reset`: an episode begins.
pub(crate) async fn reset(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Failure> {
    let bytes = body::bytes(&app, request).await?;
    let body: ResetBody = json_body(&bytes, &["task_description"])?;
    check_task(&body.task_description)?;
    let message = format!("the task is: {}", body.task_description);
    app.begin_task(body.task_description);
    Ok(Json(json!({ "status": "success", "message": message })))
}

/// `POST /step`: images as nested lists.
pub(crate) async fn step(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Failure> {
    let bytes = body::bytes(&app, request).await?;
    let decoding = app.clone();
    let decode = move || -> Result<Asked, Failure> {
        let StepBody { image: [previous, current], task_description: task, state: states } = StepBody::read(&bytes)?;
        let side = decoding.options.limits.image_side;
        let frame = |nested: Nested| -> Result<Frame> {
            let frame = nested.into_frame(NAMES.frames)?;
            picture::check_size(NAMES.frames, frame.width() as u64, frame.height() as u64, side)?;
            Ok(frame)
        };
        Ok(Asked { frames: [frame(previous)?, frame(current)?], task, states })
    };
    let asked = blocking(decode).await?;
    answer(&app, asked).await
}

/// `POST /step_bytes`: images as files in a form.
pub(crate) async fn step_bytes(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Failure> {
    let mut form = form(&app, request).await?;
    let files = FORM_IMAGES.map(|name| form.take(name));
    let [Some(previous), Some(current)] = files else {
        let missing = FORM_IMAGES.into_iter().zip(files).filter(|(_, file)| file.is_none()).map(|(name, _)| name);
        return Err(Failure::missing(missing));
    };
    let task = form.text("task_description")?;
    let states = form.text(states::FIELD)?.map(|text| json_body::<States>(text.as_bytes(), &[])).transpose()?;
    let decoding = app.clone();
    let decode = move || -> Result<[Frame; 2], Failure> {
        let side = decoding.options.limits.image_side;
        let read = |name, bytes: &[u8]| picture::decode_file(name, bytes, side);
        Ok([read(FORM_IMAGES[0], &previous)?, read(FORM_IMAGES[1], &current)?])
    };
    let frames = blocking(decode).await?;
    answer(&app, Asked { frames, task, states }).await
}

/// Decoding is computing: it must not keep the network waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Failure::from(Error::Stopping)))
}

/// Refuses a task that no policy reads: it would stay the task of those who name none.
fn check_task(task: &str) -> Result<()> {
    match task.len() {
        0..=MAX_INSTRUCTION_BYTES => Ok(()),
        bytes => {
            let reason = format!("{bytes} bytes, at most {MAX_INSTRUCTION_BYTES} are read");
            Err(Error::refused(NAMES.instruction, reason))
        }
    }
}

async fn answer(app: &App, asked: Asked) -> Result<Json<Value>, Failure> {
    let Asked { frames, task, states } = asked;
    let proprio = states::wanted(&app.description, states, app.options.http_assumed_state.as_deref())?;
    task.as_deref().map_or(Ok(()), check_task)?;
    let instruction = app.switch_task(task).ok_or_else(|| Failure::missing([NAMES.instruction]))?;
    let answer = app.policy.infer(Observation { instruction, frames, proprio }).await;
    let answer = answer.map_err(|error| NAMES.translate(error))?;
    Ok(Json(json!({ "raw_actions": in_units(app, answer.chunk).actions })))
}

/// The chunk in the units that this API was told to answer in.
fn in_units(app: &App, mut chunk: ActionChunk) -> ActionChunk {
    if app.options.http_units == Units::Normalized {
        for action in &mut chunk.actions {
            let mut values: Vec<f64> = action.iter().map(|value| f64::from(*value)).collect();
            app.description.action.normalizer.normalize(&mut values);
            *action = values.into_iter().map(|value| value as f32).collect();
        }
    }
    chunk
}
