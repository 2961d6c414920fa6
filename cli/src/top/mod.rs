//! What stands behind `wasmill top`: metrics are asked for, compared with those of a moment ago, and
//! drawn. It knows the product only by its metrics, as any monitoring does.

pub mod client;
pub mod draw;
pub mod model;
pub mod scrape;
pub mod screen;
