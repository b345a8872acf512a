use crate::types::HumanDuration;
use crate::view::{ConfigurationLine, Restored};

/// The blocks that follow the steps of a restore.
pub fn restored(restored: &Restored) -> String {
    let mut text = String::new();
    if !restored.changes.is_empty() {
        text += "\nIMPORTANT\nThese settings have been modified to prevent data losses\n\n";
        text += &lines(&restored.changes);
    }
    if !restored.dangers.is_empty() {
        text += "\nWARNING\nYou are required to review the following options as potentially dangerous\n\n";
        text += &lines(&restored.dangers);
    }
    if !restored.missing_files.is_empty() {
        text += "\nWARNING\nThe following configuration files have not been saved during backup, hence they have not \
                 been restored.\nYou need to manually restore them in order to start the restored PostgreSQL \
                 instance:\n\n";
        text += &restored.missing_files.iter().map(|file| format!("    {file}\n")).collect::<String>();
    }
    if let Some(file) = &restored.fetches_by {
        text += &format!(
            "\nWARNING: 'get-wal' is in the specified 'recovery_options'.\n\
             Before you start up the PostgreSQL server, please review the {file} file\n\
             inside the target directory. Make sure that 'restore_command' can be executed by the PostgreSQL user.\n"
        );
    }
    text += &format!(
        "\nRestore operation completed (start time: {}, elapsed time: {})\n\
         Your PostgreSQL server has been successfully prepared for recovery!\n",
        restored.start_time.format("%Y-%m-%d %H:%M:%S%.6f%:z"),
        HumanDuration::from(restored.elapsed)
    );
    text
}

fn lines(settings: &[ConfigurationLine]) -> String {
    let line = |setting: &ConfigurationLine| {
        let value = setting.value.as_deref().unwrap_or("None");
        format!("{} line {}: {} = {value}\n", setting.file, setting.line, setting.name)
    };
    settings.iter().map(line).collect()
}
