//! The directives of a configuration, with those of included files in their places.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf, absolute};
use std::rc::Rc;

use crate::error::{ConfError, Place};
use crate::include;
use crate::lua::{block_length, holds_lua};
use crate::words::{Item, SyntaxError, Words};

/// How deep blocks and included files may be inside each other. nginx has no bound but its stack.
const MAX_DEPTH: usize = 100;

/// All files together may have so many bytes. One that is included twice counts twice.
const MAX_BYTES: u64 = 64 << 20;

/// A directive, and its block if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfDirective {
    words: Vec<Vec<u8>>,
    place: Place,
    block: Option<Vec<ConfDirective>>,
}

impl ConfDirective {
    /// The name.
    pub fn name(&self) -> &[u8] {
        self.words.first().map_or(&[], Vec::as_slice)
    }

    /// Whether the directive has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name() == name.as_bytes()
    }

    /// The arguments.
    pub fn args(&self) -> &[Vec<u8>] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The directives in its block; none if it has no block.
    pub fn block(&self) -> &[ConfDirective] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Whether it has a block.
    pub fn has_block(&self) -> bool {
        self.block.is_some()
    }

    /// The directives of this name in the block.
    pub fn find<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ConfDirective> {
        find(self.block(), name)
    }
}

/// The directives of this name.
pub fn find<'a>(
    directives: &'a [ConfDirective],
    name: &'a str,
) -> impl Iterator<Item = &'a ConfDirective> {
    directives
        .iter()
        .filter(move |directive| directive.is(name))
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Tree {
    directives: Vec<ConfDirective>,
    folder: PathBuf,
}

impl Tree {
    /// Reads the configuration in this file, with the files that it includes.
    ///
    /// # Errors
    /// A file cannot be read, or nginx would not understand it.
    pub fn read(file: &Path) -> Result<Self, ConfError> {
        let file = absolute(file).map_err(|error| ConfError::open(file, &error, None))?;
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        let mut reading = Reading {
            folder,
            open: Vec::new(),
            depth: 0,
            bytes_left: MAX_BYTES,
        };
        let mut directives = Vec::new();
        reading.file(&file, None, &mut directives)?;
        Ok(Self {
            directives,
            folder: reading.folder,
        })
    }

    /// The directives outside of all blocks.
    pub fn directives(&self) -> &[ConfDirective] {
        &self.directives
    }

    /// The folder of the configuration, to which the names of its files are relative.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The block `http`.
    ///
    /// # Errors
    /// There is none.
    pub fn http(&self) -> Result<&ConfDirective, ConfError> {
        let mut blocks = find(&self.directives, "http").filter(|http| http.has_block());
        let missing = || {
            ConfError::new(
                "there is no block \"http\": name nginx.conf itself, not a file that it includes",
            )
        };
        let http = blocks.next().ok_or_else(missing)?;
        match blocks.next() {
            Some(other) => Err(ConfError::at(
                other.place(),
                "\"http\" directive is duplicate",
            )),
            None => Ok(http),
        }
    }
}

/// Where the reading of a configuration is.
struct Reading {
    folder: PathBuf,
    /// The files that are being read: each is included by the one before it.
    open: Vec<PathBuf>,
    depth: usize,
    /// How many bytes more may be read.
    bytes_left: u64,
}

impl Reading {
    /// Reads a file, which the directive at `by` includes.
    fn file(
        &mut self,
        path: &Path,
        by: Option<&Place>,
        directives: &mut Vec<ConfDirective>,
    ) -> Result<(), ConfError> {
        let failed = |error: io::Error| ConfError::open(path, &error, by);
        let identity = fs::canonicalize(path).map_err(failed)?;
        if let (Some(by), true) = (by, self.open.contains(&identity)) {
            let message = format!("\"{}\" includes itself", path.display());
            return Err(ConfError::at(by, message));
        }
        let text = self.read(path).map_err(failed)?;
        self.open.push(identity);
        let mut file = File {
            name: path.into(),
            words: Words::new(&text),
        };
        let end = self.directives(&mut file, directives)?;
        self.open.pop();
        match end {
            Item::BlockEnd => Err(file.error("unexpected \"}\"")),
            _ => Ok(()),
        }
    }

    /// The text of a file. What says nothing of its size, such as a device, is bounded as well.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let one_more = self.bytes_left.saturating_add(1);
        let length = fs::File::open(path)?
            .take(one_more)
            .read_to_end(&mut text)?;
        let left = self
            .bytes_left
            .checked_sub(u64::try_from(length).unwrap_or(u64::MAX));
        self.bytes_left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(text)
    }

    /// Reads directives up to the end of a block or of the file, which is returned.
    fn directives(
        &mut self,
        file: &mut File<'_>,
        directives: &mut Vec<ConfDirective>,
    ) -> Result<Item, ConfError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(file.error("too many blocks and files inside each other"));
        }
        let end = loop {
            match file.next()? {
                Item::Simple(words) => {
                    let place = file.place();
                    match &words[..] {
                        [name, pattern] if name == b"include" => {
                            self.include(pattern, &place, directives)?;
                        }
                        _ => directives.push(ConfDirective {
                            words,
                            place,
                            block: None,
                        }),
                    }
                }
                Item::Block(words) => {
                    let place = file.place();
                    let block = self.block(&words, file)?;
                    directives.push(ConfDirective {
                        words,
                        place,
                        block: Some(block),
                    });
                }
                end @ (Item::BlockEnd | Item::FileEnd) => break end,
            }
        };
        self.depth = self.depth.saturating_sub(1);
        Ok(end)
    }

    /// Reads the block of the directive with these words.
    fn block(
        &mut self,
        words: &[Vec<u8>],
        file: &mut File<'_>,
    ) -> Result<Vec<ConfDirective>, ConfError> {
        let no_end = "unexpected end of file, expecting \"}\"";
        if words.first().is_some_and(|name| holds_lua(name)) {
            let length = block_length(file.words.rest());
            file.words.skip(length.unwrap_or(usize::MAX));
            return match length {
                Some(_) => Ok(Vec::new()),
                None => Err(file.error(no_end)),
            };
        }
        let mut block = Vec::new();
        match self.directives(file, &mut block)? {
            Item::FileEnd => Err(file.error(no_end)),
            _ => Ok(block),
        }
    }

    fn include(
        &mut self,
        pattern: &[u8],
        place: &Place,
        directives: &mut Vec<ConfDirective>,
    ) -> Result<(), ConfError> {
        let files = include::files(pattern, &self.folder).map_err(|what| {
            let pattern = text::Quoted::whole(pattern);
            ConfError::at(
                place,
                format!("cannot follow \"include\" of {pattern}: {what}"),
            )
        })?;
        for file in files {
            self.file(&file, Some(place), directives)?;
        }
        Ok(())
    }
}

/// A file that is being read.
struct File<'a> {
    name: Rc<Path>,
    words: Words<'a>,
}

impl File<'_> {
    fn next(&mut self) -> Result<Item, ConfError> {
        let name = &self.name;
        self.words.next().map_err(|SyntaxError { line, message }| {
            let file = Rc::clone(name);
            ConfError::at(&Place { file, line }, message)
        })
    }

    fn place(&self) -> Place {
        Place {
            file: Rc::clone(&self.name),
            line: self.words.line(),
        }
    }

    fn error(&self, message: &str) -> ConfError {
        ConfError::at(&self.place(), message)
    }
}
