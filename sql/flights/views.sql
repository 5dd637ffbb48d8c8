-- Feature values and when they came to be. The one rule of this file: what a flight's landing tells is
-- stamped with the moment it landed, so nobody can know it earlier.

-- One row per landed flight, at the moment (UTC) it reached the gate. The data has no such column, and the
-- clock faces at both ends do not say the day, but it follows exactly:
--   left the gate  = scheduled departure (time_hour + minute) + dep_delay
--   gate to gate   = clock at arrival − clock at departure − hours gained flying east, modulo a day
-- Clocks: New York is 4 hours behind UTC in summer and 5 in winter, which time_hour against the local hour
-- tells; a destination is `tz` hours from UTC, one more in summer where dst = 'A' (it changes its clocks on
-- the days that New York does). The four destinations that the airports table lacks (BQN, PSE, SJU, STT)
-- are on Atlantic time all year: −4.
-- Checked against the tz database: right for all 327,346 landings but one, which was in the air while the
-- clocks changed (9 March to PBI) and comes out an hour late.
CREATE FEATURE VIEW landings ENTITY plane TIMESTAMP landed_at
  WITH (owner = 'operations', description = 'Landed flights, at the moment they reached the gate')
AS SELECT tailnum, carrier, origin, dest, distance, sched_dep, dep_delay, arr_delay,
          left_gate + arrow_cast(60 * ((2880 + clock_in - clock_out - 60 * (there - here)) % 1440), 'Duration(Second)') AS landed_at
   FROM (
     SELECT tailnum, carrier, origin, dest, distance, sched_dep, dep_delay, arr_delay,
            sched_dep + arrow_cast(60 * dep_delay, 'Duration(Second)') AS left_gate,
            dep_time / 100 * 60 + dep_time % 100 AS clock_out,
            arr_time / 100 * 60 + arr_time % 100 AS clock_in,
            CASE WHEN summer THEN -4 ELSE -5 END AS here,
            coalesce(tz, -4) + CASE WHEN summer AND dst = 'A' THEN 1 ELSE 0 END AS there
     FROM (
       SELECT flights.*,
              time_hour + arrow_cast(60 * minute, 'Duration(Second)') AS sched_dep,
              (24 + date_part('hour', time_hour) - hour) % 24 = 4 AS summer
       FROM flights
       WHERE arr_delay IS NOT NULL
     ) AS departures
     LEFT JOIN airports ON dest = faa
   ) AS clocks;

-- The weather counts for three hours; an older observation is expired, not present.
-- One sensor said 1,048 miles per hour (EWR, 12 February): not believed.
CREATE FEATURE VIEW airport_weather ENTITY airport TIMESTAMP observed_at TTL INTERVAL '3 hours'
  WITH (owner = 'meteorology', description = 'The newest observation at an airport')
AS SELECT origin AS airport, time_hour AS observed_at, temp, precip, visib,
          CASE WHEN wind_speed < 250 THEN wind_speed END AS wind_speed
   FROM weather;

-- How late the plane was when it last came in, for two days.
CREATE FEATURE VIEW plane_history ENTITY plane TIMESTAMP landed_at TTL INTERVAL '2 days'
  WITH (owner = 'data-science', description = 'The last landing of a plane')
AS SELECT tailnum, landed_at, arr_delay AS last_arr_delay
   FROM landings;

-- What does not change about a plane.
CREATE FEATURE VIEW plane_facts ENTITY plane TIMESTAMP registered_at
  WITH (owner = 'fleet', description = 'Age and size of a plane')
AS SELECT tailnum, registered_at, date_part('year', registered_at) - year AS age, seats
   FROM planes;

-- How late the carrier's flights have been in the seven days up to each landing.
CREATE FEATURE VIEW carrier_delays ENTITY carrier TIMESTAMP landed_at
  WITH (owner = 'data-science', description = 'Recent arrival delays of a carrier')
AS SELECT carrier, landed_at,
          avg(arr_delay) OVER last_week AS mean_delay_7d,
          count(*)       OVER last_week AS flights_7d
   FROM landings
   WINDOW last_week AS (PARTITION BY carrier ORDER BY landed_at
                        RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW);

-- The same for a route.
CREATE FEATURE VIEW route_delays ENTITY route TIMESTAMP landed_at
  WITH (owner = 'data-science', description = 'Recent arrival delays on a route')
AS SELECT origin, dest, landed_at,
          avg(arr_delay) OVER last_week AS route_delay_7d,
          count(*)       OVER last_week AS route_flights_7d
   FROM landings
   WINDOW last_week AS (PARTITION BY origin, dest ORDER BY landed_at
                        RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW);
