//! What the fuzz targets do with an input. It is a library so that the daemon's generic code is compiled once for the four
//! of them; a target is one line.

mod decode;
#[path = "../../sequences/model.rs"]
mod model;
mod options;
mod records;
mod sequence;
#[path = "../../sequences/step.rs"]
mod step;
#[path = "../../sequences/world.rs"]
mod world;

pub use decode::decode;
pub use options::options;
pub use records::records;
pub use sequence::calls;
