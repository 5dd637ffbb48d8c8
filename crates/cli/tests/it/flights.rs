//! A small project of the shape of the tour: generated flights, weather and planes, and what a training set
//! of them must hold, found the slow and obvious way.

use crate::project::Project;

/// 2013-01-01T00:00:00Z, in minutes.
const START: i64 = 22_616_640;
const HOUR: i64 = 60;
/// How long an observation counts.
const TTL: i64 = 3 * HOUR;

/// The definitions.
pub(crate) const DEFINITIONS: &str = "\
CREATE DATASET flights (
    flight_id BIGINT NOT NULL, carrier VARCHAR, tailnum VARCHAR, origin VARCHAR, distance DOUBLE,
    sched_dep TIMESTAMP, arrived_at TIMESTAMP NOT NULL, arr_delay DOUBLE
) TIMESTAMP arrived_at CHECK delay_sane (arr_delay > -120) WITH (owner = 'ops', description = 'Landings');

CREATE DATASET weather (origin VARCHAR, observed_at TIMESTAMP NOT NULL, temp DOUBLE, wind_speed DOUBLE)
TIMESTAMP observed_at;

CREATE ENTITY airport KEY (airport VARCHAR);
CREATE ENTITY plane KEY (tailnum VARCHAR);

CREATE FEATURE VIEW airport_weather ENTITY airport TIMESTAMP observed_at TTL INTERVAL '3 hours'
AS SELECT origin AS airport, observed_at, temp, wind_speed FROM weather;

CREATE FEATURE VIEW plane_history ENTITY plane TIMESTAMP arrived_at
AS SELECT tailnum, arrived_at, arr_delay AS last_arr_delay FROM flights;

CREATE FEATURE SERVICE departure_delay REQUEST (distance DOUBLE)
AS SELECT origin_weather.temp, last_arr_delay, last_arr_delay > 15 AND distance > 1000 AS risky
   FROM airport_weather(origin) AS origin_weather, plane_history;

CREATE TRAINING SET delays FEATURES departure_delay TIMESTAMP sched_dep
AS SELECT flight_id, origin, tailnum, distance, sched_dep, arr_delay > 15 AS late FROM flights;
";

const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];

/// One landing.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    id: i64,
    carrier: &'static str,
    tailnum: String,
    origin: &'static str,
    distance: i64,
    /// Minutes since 1970, as all moments here.
    sched_dep: i64,
    arrived_at: i64,
    /// None for a flight whose delay nobody wrote down.
    arr_delay: Option<i64>,
}

/// One observation.
#[derive(Clone, Debug)]
struct Weather {
    origin: &'static str,
    observed_at: i64,
    temp: i64,
}

/// Generated rows; the same for the same count.
pub(crate) struct Flights {
    flights: Vec<Flight>,
    weather: Vec<Weather>,
}

/// A sequence of numbers that is the same everywhere: Knuth's linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % bound).unwrap()
    }
}

impl Flights {
    /// So many flights over about a month, with gaps in the weather longer than it counts.
    pub(crate) fn generate(count: usize) -> Self {
        let mut numbers = Numbers(20_130_101);
        let month = 30 * 24 * HOUR;
        let flights = (0..count).map(|i| {
            let id = i64::try_from(i).unwrap();
            let sched_dep = START + id * month / i64::try_from(count).unwrap();
            let delay = numbers.below(90) - 30;
            Flight {
                id,
                carrier: ["UA", "AA", "DL"][usize::try_from(numbers.below(3)).unwrap()],
                tailnum: format!("N{}", numbers.below(40)),
                origin: AIRPORTS[usize::try_from(numbers.below(3)).unwrap()],
                distance: 200 + numbers.below(2_000),
                sched_dep,
                arrived_at: sched_dep + 2 * HOUR + delay,
                arr_delay: (numbers.below(20) > 0).then_some(delay),
            }
        });
        let flights = flights.collect();
        let hours = (0..month / HOUR).filter(|hour| hour % 24 < 16);
        let weather = hours.flat_map(|hour| AIRPORTS.map(|origin| (hour, origin))).map(|(hour, origin)| Weather {
            origin,
            observed_at: START + hour * HOUR,
            temp: numbers.below(40) - 10,
        });
        let weather = weather.collect();
        Flights { flights, weather }
    }

    /// How many flights.
    pub(crate) fn count(&self) -> usize {
        self.flights.len()
    }

    /// Some of the flights as CSV.
    pub(crate) fn csv(&self, rows: std::ops::Range<usize>) -> String {
        let mut text = "flight_id,carrier,tailnum,origin,distance,sched_dep,arrived_at,arr_delay\n".to_owned();
        for f in &self.flights[rows] {
            let delay = f.arr_delay.map(|d| d.to_string()).unwrap_or_default();
            let (dep, arrived) = (moment(f.sched_dep), moment(f.arrived_at));
            text.push_str(&format!(
                "{},{},{},{},{},{dep},{arrived},{delay}\n",
                f.id, f.carrier, f.tailnum, f.origin, f.distance
            ));
        }
        text
    }

    /// The weather as JSON lines.
    pub(crate) fn weather_json(&self) -> String {
        let line = |w: &Weather| {
            let at = moment(w.observed_at);
            format!(
                "{{\"origin\":\"{}\",\"observed_at\":\"{at}\",\"temp\":{}.5,\"wind_speed\":3.0}}\n",
                w.origin, w.temp
            )
        };
        self.weather.iter().map(line).collect()
    }

    /// What the training set must hold: `flight_id,temp,last_arr_delay`, a line per flight in order.
    pub(crate) fn expected(&self) -> Vec<String> {
        let line = |f: &Flight| {
            let seen = self.weather.iter().filter(|w| w.origin == f.origin && w.observed_at <= f.sched_dep);
            let newest = seen.max_by_key(|w| w.observed_at).filter(|w| w.observed_at >= f.sched_dep - TTL);
            let temp = newest.map(|w| format!("{}.5", w.temp)).unwrap_or_default();
            let landed = self.flights.iter().filter(|o| o.tailnum == f.tailnum && o.arrived_at <= f.sched_dep);
            // Later in the file was accepted later, and wins a tie: so does `max_by_key`.
            let last = landed.max_by_key(|o| o.arrived_at).and_then(|o| o.arr_delay);
            format!("{},{temp},{}", f.id, last.map(|d| format!("{d}.0")).unwrap_or_default())
        };
        self.flights.iter().map(line).collect()
    }

    /// The flights in the order of landing, which is that of the dataset's files; of a tie, the first accepted.
    pub(crate) fn landed(&self) -> Vec<String> {
        let mut flights: Vec<_> = self.flights.iter().collect();
        flights.sort_by_key(|f| f.arrived_at);
        flights.into_iter().map(|f| f.id.to_string()).collect()
    }

    /// How many planes have landed.
    pub(crate) fn planes(&self) -> usize {
        self.flights.iter().map(|f| &f.tailnum).collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// Minutes since 1970 as RFC 3339.
fn moment(minutes: i64) -> String {
    asof_model::Micros(minutes * 60 * asof_model::time::SECOND).to_string()
}

/// A project with these definitions and files, nothing applied yet.
pub(crate) fn project(flights: &Flights) -> Project {
    let project = Project::new();
    project.write("flights.sql", DEFINITIONS);
    project.write("data/flights.csv", flights.csv(0..flights.count()));
    project.write("data/weather.jsonl", flights.weather_json());
    project
}

/// The same, applied and ingested.
pub(crate) fn ingested(flights: &Flights) -> Project {
    let project = project(flights);
    project.done(&["apply"]);
    project.done(&["ingest", "flights", "data/flights.csv"]);
    project.done(&["ingest", "weather", "data/weather.jsonl"]);
    project
}

/// After the last landing of every generated month.
pub(crate) const LATER: &str = "2013-02-02T00:00:00Z";
