//! Groups of episodes, outcomes on disk, interruptions, and what does not belong together.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

mod made;

use std::path::Path;

use made::{Counted, Drawing, STEPS};
use serde_json::json;
use vipra_control::{Execution, Policy};
use vipra_eval::{
    EvaluateOptions, Header, OUTCOMES, Outcome, OutcomeLog, VIDEOS, compare, evaluate, plan, read_outcomes, videos,
};

fn header(model: &str) -> Header {
    let json = json!({"environment": "counted", "policy": "made", "fingerprints": {"model": model}});
    json.as_object().unwrap().clone()
}

const OPTIONS: EvaluateOptions = EvaluateOptions { execution: Execution::First { actions: 2 }, parallel: 4, videos: 1 };

fn run(policy: &mut Drawing, folder: &Path, broken: Option<u64>) -> vipra_eval::Result<Vec<Outcome>> {
    run_with(policy, folder, broken, &OPTIONS)
}

fn run_with(
    policy: &mut Drawing,
    folder: &Path,
    broken: Option<u64>,
    options: &EvaluateOptions,
) -> vipra_eval::Result<Vec<Outcome>> {
    run_plan(policy, folder, broken, options, 5)
}

/// So many episodes of each of two seeds.
fn run_plan(
    policy: &mut dyn Policy,
    folder: &Path,
    broken: Option<u64>,
    options: &EvaluateOptions,
    episodes: u64,
) -> vipra_eval::Result<Vec<Outcome>> {
    let plan = plan(&["seen".into()], &[0, 1], episodes);
    let make =
        |_: &vipra_control::PolicyDescription| Ok(Box::new(Counted::new(broken)) as Box<dyn vipra_eval::Environment>);
    evaluate(policy, &make, &plan, &header("abc"), folder, options, &|_, _| ())
}

/// What does not hang on the clock.
fn timeless(outcome: &Outcome) -> Outcome {
    Outcome { secs: 0.0, latencies: vec![0.0; outcome.latencies.len()], ..outcome.clone() }
}

#[test]
fn episodes_run_to_their_end_and_are_judged_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let mut policy = Drawing::new();
    let outcomes = run(&mut policy, folder.path(), None).unwrap();
    assert_eq!(outcomes.len(), 10);
    for outcome in &outcomes {
        assert_eq!((outcome.success_last, outcome.success_any), (outcome.episode % 3 == 0, outcome.episode % 3 < 2));
        // Chunks at steps 0, 2 and 4.
        assert_eq!((outcome.steps, outcome.latencies.len()), (STEPS, 3));
        assert!(outcome.secs >= 0.0 && outcome.touched.is_none());
    }
    assert_eq!(policy.batches, [4, 4, 4, 1, 1, 1].repeat(2), "two groups of each seed, and three chunks of each");
    // One frame 0.2 s, that is one step, before the current one, and the state of now.
    let third = &policy.seen[4];
    assert_eq!((third.frames[0].pixels()[0], third.frames[1].pixels()[0]), (1, 2));
    assert_eq!((third.proprio.as_slice(), third.instruction.as_str()), ([vec![2.0]].as_slice(), "count to 0"));
    let (found, written) = read_outcomes(&folder.path().join(OUTCOMES)).unwrap();
    assert_eq!((found, written.len()), (header("abc"), 10));
    let kinds: Vec<bool> = videos(folder.path()).unwrap().iter().map(|video| video.is_success).collect();
    assert_eq!(kinds, [false, true], "one of each");
}

#[test]
fn an_interrupted_evaluation_ends_as_if_it_never_had_been() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(&mut Drawing::new(), &folder.path().join("whole"), None).unwrap();
    assert!(whole.iter().any(|outcome| outcome.grasped) && whole.iter().any(|outcome| !outcome.grasped));

    let broken = folder.path().join("broken");
    run(&mut Drawing::new(), &broken, Some(4)).unwrap_err();
    let file = broken.join(OUTCOMES);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 1 + 4, "the first group was finished");
    // A kill in the middle of a line, of the second in a group.
    let cut = text.lines().nth(2).unwrap().len() / 2 + text.lines().take(2).map(|line| line.len() + 1).sum::<usize>();
    std::fs::write(&file, &text[..cut]).unwrap();

    let again = run(&mut Drawing::new(), &broken, None).unwrap();
    assert_eq!(whole.iter().map(timeless).collect::<Vec<_>>(), again.iter().map(timeless).collect::<Vec<_>>());
    assert_eq!(read_outcomes(&file).unwrap().1.len(), 10, "none twice");

    let mut idle = Drawing::new();
    assert_eq!(run(&mut idle, &broken, None).unwrap(), again);
    assert!(idle.batches.is_empty(), "nothing is left to do");
}

#[test]
fn an_evaluation_that_grows_ends_as_one_that_was_as_large_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, episodes: u64| {
        let outcomes = run_plan(&mut Drawing::new(), &folder.path().join(name), None, &OPTIONS, episodes).unwrap();
        outcomes.iter().map(timeless).collect::<Vec<_>>()
    };
    let whole = run("whole", 11);
    for episodes in [4, 8, 11] {
        let of_whole = whole.iter().filter(|outcome| outcome.episode < episodes).cloned().collect::<Vec<_>>();
        assert_eq!(run("grown", episodes), of_whole, "{episodes} episodes");
    }
    // Of groups that were not full as well: their episodes run again beside the others.
    let few = run("grown in part", 6);
    let of_whole = |outcome: &&Outcome| outcome.episode < 6;
    assert_ne!(few, whole.iter().filter(of_whole).cloned().collect::<Vec<_>>(), "the group does not matter");
    assert_eq!(run("grown in part", 11), whole);
    let (_, written) = read_outcomes(&folder.path().join("grown in part").join(OUTCOMES)).unwrap();
    assert_eq!(written.len(), whole.len(), "none twice");
    // Of one that was interrupted and asked for less in between.
    let first_four = run("shrunk", 4);
    let file = folder.path().join("shrunk").join(OUTCOMES);
    let text = std::fs::read_to_string(&file).unwrap();
    let without_the_first = text.lines().enumerate().filter(|(line, _)| *line != 1);
    std::fs::write(&file, without_the_first.flat_map(|(_, line)| [line, "\n"]).collect::<String>()).unwrap();
    run("shrunk", 2);
    assert_eq!(run("shrunk", 4), first_four);
}

#[test]
fn no_video_is_left_of_an_end_that_an_episode_has_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let run = |episodes: u64| run_plan(&mut Drawing::new(), folder.path(), None, &OPTIONS, episodes).unwrap();
    run(1);
    // As if it had failed, without others beside it.
    let file = folder.path().join(OUTCOMES);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"success_last\":true", "\"success_last\":false", 1)).unwrap();
    let video = |end: &str| folder.path().join(VIDEOS).join(format!("seen.{end}.count.0.0.gif"));
    std::fs::rename(video("success"), video("failure")).unwrap();
    run(4);
    let left = videos(folder.path()).unwrap().into_iter().map(|video| video.path).collect::<Vec<_>>();
    assert_eq!(left, [folder.path().join(VIDEOS).join("seen.failure.count.0.1.gif"), video("success")]);
}

#[test]
fn a_kill_between_a_video_and_its_outcome_costs_no_video() {
    let folder = tempfile::tempdir().unwrap();
    let options = EvaluateOptions { videos: 2, ..OPTIONS };
    let run = || run_with(&mut Drawing::new(), folder.path(), None, &options).unwrap();
    let files = || videos(folder.path()).unwrap().into_iter().map(|video| video.path).collect::<Vec<_>>();
    run();
    let whole = files();
    assert_eq!(whole.len(), 4, "{whole:?}");

    // The outcome of the first episode was written, and of the second one its video.
    let file = folder.path().join(OUTCOMES);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    for later in ["seen.failure.count.0.2.gif", "seen.success.count.0.3.gif"] {
        std::fs::remove_file(folder.path().join(VIDEOS).join(later)).unwrap();
    }
    run();
    assert_eq!(files(), whole);
}

#[test]
fn outcomes_of_an_unknown_version_go_on_and_of_another_one_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let outcomes = run(&mut Drawing::new(), folder.path(), None).unwrap();
    let file = folder.path().join(OUTCOMES);
    let of_version = |version: &str| {
        let mut header = header("abc");
        header.insert("version".into(), version.into());
        header
    };
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(OutcomeLog::open(&file, &of_version("2")).unwrap().outcomes(), outcomes);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "who made them stays unknown");

    let (_, lines) = text.split_once('\n').unwrap();
    std::fs::write(&file, format!("{}\n{lines}", json!(of_version("1")))).unwrap();
    assert_eq!(OutcomeLog::open(&file, &of_version("1")).unwrap().outcomes(), outcomes);
    let error = OutcomeLog::open(&file, &of_version("2")).unwrap_err().to_string();
    assert!(error.contains("(version)") && error.contains("--out"), "{error}");
    let (found, read) = read_outcomes(&file).unwrap();
    assert_eq!((&found, &read), (&of_version("1"), &outcomes));
    assert_eq!(compare((&found, &read), (&header("abc"), &outcomes)).unwrap().unpaired, [0, 0]);
}

#[test]
fn outcomes_of_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(&mut Drawing::new(), folder.path(), None).unwrap();
    let file = folder.path().join(OUTCOMES);
    let error = OutcomeLog::open(&file, &header("another")).unwrap_err().to_string();
    assert!(error.contains("fingerprints") && error.contains(&file.display().to_string()), "{error}");
    let text = std::fs::read_to_string(&file).unwrap();
    let again = text.lines().nth(1).unwrap();
    std::fs::write(&file, format!("{text}{again}\n")).unwrap();
    let error = read_outcomes(&file).unwrap_err().to_string();
    assert!(error.contains("stands here twice"), "{error}");
    // What could not begin is in nobody's way.
    let unbegun = folder.path().join("unbegun.jsonl");
    drop(OutcomeLog::open(&unbegun, &header("one")).unwrap());
    drop(OutcomeLog::open(&unbegun, &header("another")).unwrap());
    assert_eq!(read_outcomes(&unbegun).unwrap(), (header("another"), Vec::new()));
    std::fs::write(&file, text.replacen("\"steps\":5", "\"steps\":\"many\"", 1)).unwrap();
    let error = read_outcomes(&file).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("many"), "{error}");
    std::fs::write(&file, text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert!(read_outcomes(&file).unwrap_err().to_string().contains("no header"));
}

/// Leaves out an answer, or the last action of each.
struct Lacking {
    policy: Drawing,
    lacks_answer: bool,
}

impl Policy for Lacking {
    fn describe(&self) -> &vipra_control::PolicyDescription {
        self.policy.describe()
    }

    fn infer_batch(
        &mut self,
        observations: &[vipra_control::Observation],
    ) -> Vec<vipra_control::Result<vipra_control::ActionChunk>> {
        if self.lacks_answer {
            return self.policy.infer_batch(&observations[1..]);
        }
        let mut answers = self.policy.infer_batch(observations);
        answers.iter_mut().flatten().for_each(|chunk| _ = chunk.actions.pop());
        answers
    }

    fn reset(&mut self) {}
}

#[test]
fn a_policy_that_answers_too_little_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    for (lacks_answer, expected) in [
        (true, "asked for 4 chunks and gave 3"),
        (false, "episode 0 of seed 0 (seen): a chunk of 3 actions, and the policy says 4"),
    ] {
        let mut policy = Lacking { policy: Drawing::new(), lacks_answer };
        let error = run_plan(&mut policy, folder.path(), None, &OPTIONS, 4).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
