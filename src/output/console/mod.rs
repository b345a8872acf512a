//! Views as text for people, each line ended by a line feed.

mod backup_details;
mod backup_list;

pub use backup_details::backup_details;
pub use backup_list::{backup_ids, backup_list};

/// Writes a share of one as `12.34%`.
fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
