//! How parameters are called in a foreign file.

/// One renaming: wherever `field` of the struct `module` stands in a path, the file says `name`.
///
/// A rule speaks of a struct, not of a place in the model, so each block is described once however often it is used. The
/// name may have several segments ("ffn.0").
#[derive(Debug, Clone, Copy)]
pub struct Rename {
    /// Name of the Rust struct.
    pub module: &'static str,
    /// Its field.
    pub field: &'static str,
    /// What the file calls that field. An empty name leaves the level out.
    pub name: &'static str,
    /// If the field is a list: what the file calls its elements. Empty: by their numbers.
    pub elements: &'static [&'static str],
}

impl Rename {
    /// A rule for a field.
    pub const fn new(module: &'static str, field: &'static str, name: &'static str) -> Self {
        Self { module, field, name, elements: &[] }
    }

    /// A rule for a field that is a list. PyTorch numbers activations along with layers, so numbers may have gaps.
    pub const fn list(
        module: &'static str,
        field: &'static str,
        name: &'static str,
        elements: &'static [&'static str],
    ) -> Self {
        Self { module, field, name, elements }
    }
}

/// Names of this crate's blocks in the reference (reference 2). Fields that are called the same have no rule.
const BLOCK_NAMES: &[Rename] = &[
    Rename::new("FeedForward", "norm", "0"),
    Rename::new("FeedForward", "expand", "1"),
    Rename::new("FeedForward", "contract", "4"),
    Rename::new("ContinuousPositionBias", "input", "net.0"),
    Rename::new("ContinuousPositionBias", "hidden", "net.2"),
    Rename::new("ContinuousPositionBias", "output", "net.4"),
    Rename::new("Conditioning", "expand", "ffn.0"),
    Rename::new("Conditioning", "contract", "ffn.2"),
    Rename::new("Layer", "conditioning", "0"),
    Rename::new("Layer", "position", "1"),
    Rename::new("Layer", "spatial", "2"),
    Rename::new("Layer", "temporal", "3"),
    Rename::new("Layer", "feed_forward", "4"),
];

/// Segments of names that the reference carries and never uses: zero offsets of its layer norms, norms of a context that
/// is never given (reference 0.4, 2).
const BLOCK_UNUSED: &[&str] = &["beta", "context_norm"];

/// How the parameters of a module are called in a file.
#[derive(Debug, Clone, Default)]
pub struct Names {
    prefix: String,
    renames: Vec<&'static [Rename]>,
    unused: Vec<&'static str>,
}

impl Names {
    /// Names of modules made of this crate's blocks.
    pub fn blocks() -> Self {
        Self::default().rename(BLOCK_NAMES).ignore(BLOCK_UNUSED)
    }

    /// Everything in the file that starts with `prefix` (dot included) belongs to the module, nothing else does.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Adds rules. The first rule that fits counts.
    pub fn rename(mut self, rules: &'static [Rename]) -> Self {
        self.renames.push(rules);
        self
    }

    /// Adds segments: a name in the file that contains one of them is not missed in the module.
    pub fn ignore(mut self, segments: &'static [&'static str]) -> Self {
        self.unused.extend_from_slice(segments);
        self
    }

    /// Whether a name of the file should have a parameter in the module.
    pub(crate) fn expects(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.prefix) else { return false };
        !rest.split('.').any(|segment| self.unused.contains(&segment))
    }

    fn rule(&self, module: &str, field: &str) -> Option<&'static Rename> {
        let rules = self.renames.iter().flat_map(|rules| rules.iter());
        let mut fitting = rules.filter(|rule| rule.module == module && rule.field == field);
        fitting.next()
    }
}

/// Where a walk through a module's parameters stands, in the file's words.
///
/// Feed it from `enter_module` and `exit_module` of a visitor or mapper of the framework.
#[derive(Debug)]
pub struct NamePath<'a> {
    names: &'a Names,
    levels: Vec<Level>,
}

/// One step into a module: the struct or list that was entered, and the file's name of what was entered there.
#[derive(Debug)]
struct Level {
    container: String,
    name: String,
    /// Names of the elements, if this level is a list with names of its own.
    elements: &'static [&'static str],
}

impl<'a> NamePath<'a> {
    /// At the top of the module.
    pub fn new(names: &'a Names) -> Self {
        Self { names, levels: Vec::new() }
    }

    /// Into a field, `container` as the framework gives it: "Struct:Linear", "Vec", …
    pub fn enter(&mut self, field: &str, container: &str) {
        let container = container.strip_prefix("Struct:").unwrap_or(container);
        let rule = self.names.rule(container, field);
        let element = self.levels.last().filter(|_| container == "Vec").and_then(|list| {
            let index: usize = field.parse().ok()?;
            list.elements.get(index).copied()
        });
        let name = element.or(rule.map(|rule| rule.name)).unwrap_or(field);
        let elements = rule.map_or(&[][..], |rule| rule.elements);
        self.levels.push(Level { container: container.to_owned(), name: name.to_owned(), elements });
    }

    /// Out of the field entered last.
    pub fn exit(&mut self) {
        self.levels.pop();
    }

    /// The file's name of the parameter the walk stands at.
    pub fn name(&self) -> String {
        let names = self.levels.iter().map(|level| level.name.as_str());
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        format!("{}{}", self.names.prefix, names.join("."))
    }

    /// Whether the file holds this matrix transposed: PyTorch stores `[out, in]`, the framework `[in, out]`.
    pub fn is_transposed(&self, rank: usize) -> bool {
        rank == 2 && self.levels.last().is_some_and(|level| level.container == "Linear")
    }
}
