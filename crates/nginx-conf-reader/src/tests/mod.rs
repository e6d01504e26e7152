//! Unit tests. t/nginx_conf_reader.t compares the crate with nginx itself.

mod location;
mod server;
mod tree;
mod units;
mod uri;
mod words;

use std::path::PathBuf;
use std::{env, fs, process};

use crate::tree::Tree;

/// A folder with files, which is removed in the end.
struct Folder(PathBuf);

impl Folder {
    /// Makes one; `name` tells it from those of other tests.
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = env::temp_dir().join(format!("nginx-conf-reader-{}-{name}", process::id()));
        _ = fs::remove_dir_all(&folder);
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn read(&self) -> Result<Tree, String> {
        Tree::read(&self.0.join("nginx.conf")).map_err(|error| self.shorten(&error.to_string()))
    }

    /// A text without the name of the folder.
    fn shorten(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The configuration with this text.
fn tree(name: &str, text: &str) -> Tree {
    Folder::new(name, &[("nginx.conf", text)]).read().unwrap()
}
