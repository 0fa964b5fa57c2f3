//! Which scenes there can be.

use std::fmt;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::object::{Color, Kind, Object};
use crate::scene::{MAX_OBJECTS, MIN_OBJECTS};
use crate::split::{Split, is_held_out_pair};
use crate::task::TaskKind;

/// Which scenes are drawn. The fewer tasks and objects, the fewer demonstrations tell all there is to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenes {
    /// What is kept away from training, or is all there is.
    pub split: Split,
    /// The tasks that are set; all if none is named.
    pub tasks: Vec<TaskKind>,
    /// What can lie on the table; everything if nothing is named.
    pub objects: Vec<Object>,
}

impl Scenes {
    /// The same of another split.
    pub fn of(&self, split: Split) -> Self {
        Self { split, ..self.clone() }
    }

    /// Why no scene can be drawn, if so.
    pub fn fault(&self) -> Option<String> {
        if self.objects.is_empty() {
            return None;
        }
        let tasks = if self.tasks.is_empty() { &TaskKind::ALL[..] } else { &self.tasks };
        // No two of a scene are equal, however often one is named.
        let numbered = self.objects.iter().enumerate();
        let distinct = numbered.filter(|(at, object)| !self.objects[..*at].contains(object)).map(|(_, object)| object);
        let distinct: Vec<&Object> = distinct.collect();
        let count = |kinds: &[Kind]| distinct.iter().filter(|object| kinds.contains(&object.kind)).count();
        let (blocks, targets) = (count(&[Kind::Block]), count(&[Kind::Plate, Kind::Bowl]));
        let impossible = tasks.iter().find_map(|task| match task {
            TaskKind::Put if blocks == 0 || targets == 0 => Some("`put` takes a block, and a plate or a bowl"),
            TaskKind::Stack if blocks < 2 => Some("`stack` takes two blocks"),
            TaskKind::Push if distinct.len() < MIN_OBJECTS => {
                Some("a scene needs at least two objects: name another with --object")
            }
            _ => None,
        });
        let held_out = self.objects.iter().find(|object| !self.split.allows(**object));
        let held_out = held_out.map(|object| format!("the split `{}` never shows a {object}", self.split.name()));
        // Stacking speaks of blocks alone.
        let speaks_of_all = tasks.iter().any(|task| *task != TaskKind::Stack);
        let is_new = |object: &Object| is_held_out_pair(*object) && (speaks_of_all || object.kind == Kind::Block);
        let nothing_new = self.split == Split::UnseenPairs && !self.objects.iter().any(is_new);
        let nothing_new =
            nothing_new.then(|| "these tasks and objects include none that training never shows".to_owned());
        impossible.map(str::to_owned).or(held_out).or(nothing_new)
    }

    pub(crate) fn most_objects(&self) -> usize {
        match self.objects.len() {
            0 => MAX_OBJECTS,
            count => count.clamp(MIN_OBJECTS, MAX_OBJECTS),
        }
    }

    pub(crate) fn draw_task(&self, rng: &mut impl Rng) -> TaskKind {
        let tasks = if self.tasks.is_empty() { &TaskKind::ALL[..] } else { &self.tasks };
        match tasks {
            [task] => *task,
            _ => tasks[rng.random_range(0..tasks.len())],
        }
    }

    /// An object that can lie beside others, if the draw is a lucky one.
    pub(crate) fn draw_object(&self, kind: Option<Kind>, others: &[Object], rng: &mut impl Rng) -> Option<Object> {
        if self.objects.is_empty() {
            let color = Color::ALL[rng.random_range(0..Color::ALL.len())];
            let kind = kind.unwrap_or_else(|| Kind::ALL[rng.random_range(0..Kind::ALL.len())]);
            let object = Object { color, kind };
            return (self.split.allows(object) && !others.contains(&object)).then_some(object);
        }
        let fits = |object: &&Object| {
            kind.is_none_or(|kind| object.kind == kind) && self.split.allows(**object) && !others.contains(object)
        };
        let candidates: Vec<&Object> = self.objects.iter().filter(fits).collect();
        (!candidates.is_empty()).then(|| *candidates[rng.random_range(0..candidates.len())])
    }
}

impl fmt::Display for Scenes {
    /// For messages, and for where a recording comes from: `every task, seen`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks: Vec<&str> = self.tasks.iter().map(|task| task.name()).collect();
        match tasks.is_empty() {
            true => write!(formatter, "every task")?,
            false => write!(formatter, "{}", tasks.join(" and "))?,
        }
        if !self.objects.is_empty() {
            let objects: Vec<String> = self.objects.iter().map(Object::to_string).collect();
            write!(formatter, " with {}", objects.join(" and "))?;
        }
        write!(formatter, ", {}", self.split.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenes(tasks: &[TaskKind], objects: &[&str]) -> Scenes {
        let objects = objects.iter().map(|name| name.parse().unwrap()).collect();
        Scenes { tasks: tasks.to_vec(), objects, ..Scenes::default() }
    }

    #[test]
    fn tasks_need_their_objects() {
        let fault = |tasks: &[TaskKind], objects: &[&str]| scenes(tasks, objects).fault();
        assert_eq!(fault(&[], &[]), None);
        assert_eq!(fault(&[TaskKind::Put], &["red block", "yellow plate"]), None);
        assert!(fault(&[TaskKind::Put], &["red block", "blue block"]).is_some());
        assert!(fault(&[TaskKind::Stack], &["red block", "yellow plate"]).is_some());
        assert!(fault(&[TaskKind::Push], &["red block"]).is_some());
        for task in [TaskKind::Stack, TaskKind::Push] {
            assert!(fault(&[task], &["red block", "red block"]).is_some(), "no two objects of a scene are equal");
            assert_eq!(fault(&[task], &["red block", "red block", "blue block"]), None);
        }
        assert!(fault(&[], &["red block", "yellow plate"]).is_some(), "all tasks are set, stacking as well");
        let held_out = fault(&[TaskKind::Push], &["red block", "green block"]);
        assert_eq!(held_out.as_deref(), Some("the split `seen` never shows a green block"));
        let seen = scenes(&[TaskKind::Push], &["red block", "blue block"]);
        assert!(seen.of(Split::UnseenPairs).fault().is_some());
        assert!(seen.of(Split::UnseenPositions).fault().is_none());
    }

    #[test]
    fn what_is_new_is_what_a_task_speaks_of() {
        let new = |tasks: &[TaskKind], objects: &[&str]| scenes(tasks, objects).of(Split::UnseenPairs).fault();
        let (blocks, with_plate) = (["red block", "green block"], ["red block", "blue block", "red plate"]);
        assert_eq!(new(&[TaskKind::Stack], &blocks), None);
        assert!(new(&[TaskKind::Stack], &with_plate).unwrap().contains("include none that training never shows"));
        assert_eq!(new(&[TaskKind::Stack, TaskKind::Push], &with_plate), None);
    }

    #[test]
    fn they_say_what_they_are() {
        assert_eq!(Scenes::default().to_string(), "every task, seen");
        let some = scenes(&[TaskKind::Put, TaskKind::Push], &["red block", "yellow plate"]);
        assert_eq!(some.to_string(), "put and push with red block and yellow plate, seen");
    }
}
