//! What every Prometheus client tells about its process, read from /proc.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, Opts, Registry};

struct Process {
    cpu_seconds: prometheus::Counter,
    resident_bytes: Gauge,
    threads: Gauge,
    open_files: Gauge,
}

pub(super) fn register(registry: &Registry) {
    let gauge = |name: &str, help: &str| {
        Gauge::with_opts(Opts::new(name, help)).expect("metric names are constants")
    };
    let process = Process {
        cpu_seconds: prometheus::Counter::new(
            "process_cpu_seconds_total",
            "User and system CPU time spent.",
        )
        .expect("metric names are constants"),
        resident_bytes: gauge("process_resident_memory_bytes", "Resident memory."),
        threads: gauge("process_threads", "Threads of the process."),
        open_files: gauge("process_open_fds", "Open file descriptors."),
    };
    registry
        .register(Box::new(process))
        .expect("each metric is registered once");
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let mut descriptions = self.cpu_seconds.desc();
        descriptions.extend(self.resident_bytes.desc());
        descriptions.extend(self.threads.desc());
        descriptions.extend(self.open_files.desc());
        descriptions
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(sample) = Sample::read() {
            let spent = sample.cpu_seconds - self.cpu_seconds.get();
            self.cpu_seconds.inc_by(spent.max(0.0));
            self.resident_bytes.set(sample.resident_bytes);
            self.threads.set(sample.threads);
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(files.count() as f64);
        }
        let mut families = self.cpu_seconds.collect();
        families.extend(self.resident_bytes.collect());
        families.extend(self.threads.collect());
        families.extend(self.open_files.collect());
        families
    }
}

struct Sample {
    cpu_seconds: f64,
    resident_bytes: f64,
    threads: f64,
}

impl Sample {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may hold spaces: fields are counted after it (proc(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field)?.parse::<f64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: (number(11)? + number(12)?) / ticks,
            threads: number(17)?,
            resident_bytes: number(21)? * rustix::param::page_size() as f64,
        })
    }
}
