//! The process as Prometheus knows processes: memory, descriptors, processor time, start. Read when asked, from
//! `/proc`; where there is none, nothing is shown.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ticks in a second of processor time: every Linux there is shows programs a hundred.
const TICKS: f64 = 100.0;

/// Adds what is known to an exposition.
pub(crate) fn write(text: &mut String) {
    let mut gauge = |name: &str, help: &str, value: f64| {
        text.push_str(&format!("# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}\n"));
    };
    if let Some(bytes) = resident_bytes() {
        gauge("process_resident_memory_bytes", "Memory that the process holds", bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder itself.
        gauge("process_open_fds", "Open descriptors", open.count().saturating_sub(1) as f64);
    }
    if let Some(most) = most_descriptors() {
        gauge("process_max_fds", "Most open descriptors", most);
    }
    let Some((cpu, began)) = times() else { return };
    gauge("process_start_time_seconds", "Start of the process, Unix time", began);
    let name = "process_cpu_seconds";
    text.push_str(&format!(
        "# HELP {name} Processor time used.\n# TYPE {name} counter\n{name}_total {cpu}\n"
    ));
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

fn most_descriptors() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time, and when the process began, in seconds.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
    // The name in brackets may hold spaces; what follows it begins with the third field.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let cpu = (field(14)? + field(15)?) / TICKS;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some((cpu, now - uptime + field(22)? / TICKS))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_process_shows_itself() {
        let mut text = String::new();
        super::write(&mut text);
        for name in
            ["resident_memory_bytes", "open_fds", "max_fds", "cpu_seconds_total", "start_time_seconds"]
        {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("process_{name} ")));
            assert!(line.unwrap().parse::<f64>().unwrap() >= 0.0, "{name}");
        }
    }
}
