-- What had happened in the 7 and 30 days before the moment asked about. In carrier_delays and route_delays (views.sql) the
-- seven days end with the last landing: a carrier that has not flown since keeps them. Here the frame stands alone, so
-- the window ends when somebody asks, and what it holds shrinks while nothing lands.
CREATE FEATURE VIEW carrier_recent ENTITY carrier TIMESTAMP landed_at
  WITH (owner = 'data-science', description = 'Arrivals of a carrier, as of the moment asked about')
AS SELECT carrier, landed_at,
          avg(arr_delay) OVER week AS carrier_delay_7d,
          stddev(arr_delay) OVER week AS carrier_spread_7d,
          avg(CASE WHEN arr_delay > 15 THEN 1.0 ELSE 0.0 END) OVER week AS carrier_late_7d,
          avg(CASE WHEN arr_delay > 15 THEN 1.0 ELSE 0.0 END) OVER month AS carrier_late_30d,
          avg(arr_delay) OVER week - avg(arr_delay) OVER month AS carrier_trend
   FROM landings
   WINDOW week AS (RANGE INTERVAL '7 days' PRECEDING), month AS (RANGE INTERVAL '30 days' PRECEDING);

CREATE FEATURE VIEW route_recent ENTITY route TIMESTAMP landed_at
  WITH (owner = 'data-science', description = 'Arrivals on a route, as of the moment asked about')
AS SELECT origin, dest, landed_at,
          count(*) OVER week AS route_landings_7d,
          avg(arr_delay) OVER month AS route_delay_30d,
          avg(CASE WHEN arr_delay > 15 THEN 1.0 ELSE 0.0 END) OVER month AS route_late_30d
   FROM landings
   WINDOW week AS (RANGE INTERVAL '7 days' PRECEDING), month AS (RANGE INTERVAL '30 days' PRECEDING);

CREATE FEATURE VIEW plane_recent ENTITY plane TIMESTAMP landed_at
  WITH (owner = 'data-science', description = 'Arrivals of a plane, as of the moment asked about')
AS SELECT tailnum, landed_at,
          count(*) OVER week AS plane_landings_7d,
          avg(arr_delay) OVER week AS plane_delay_7d,
          max(arr_delay) OVER month AS plane_worst_30d,
          count(DISTINCT dest) OVER month AS plane_dests_30d,
          avg(arr_delay) OVER (ROWS 3 PRECEDING) AS plane_last_3
   FROM landings
   WINDOW week AS (RANGE INTERVAL '7 days' PRECEDING), month AS (RANGE INTERVAL '30 days' PRECEDING);

-- For a board that shows how carriers and routes are doing. Its windows are kept online, in tiles of an hour and a day.
CREATE FEATURE SERVICE punctuality
  WITH (owner = 'operations', description = 'How a carrier and a route have been doing lately')
AS SELECT carrier_delay_7d, carrier_late_7d, carrier_late_30d, carrier_trend, route_landings_7d, route_delay_30d
   FROM carrier_recent, route_recent;

-- arrival_risk and these. Of a plane the different destinations are kept online as they are, and its last landings.
CREATE FEATURE SERVICE arrival_trends REQUEST (distance DOUBLE)
  WITH (owner = 'data-science', description = 'arrival_risk with what happened lately')
AS SELECT origin_weather.temp, origin_weather.wind_speed, origin_weather.precip, origin_weather.visib,
          last_arr_delay, age, seats,
          last_arr_delay > 15 AND distance > 1000 AS risky,
          carrier_delay_7d, carrier_spread_7d, carrier_late_7d, carrier_late_30d, carrier_trend,
          route_landings_7d, route_delay_30d, route_late_30d,
          plane_landings_7d, plane_delay_7d, plane_worst_30d, plane_dests_30d, plane_last_3
   FROM airport_weather(origin) AS origin_weather, plane_history, plane_facts,
        carrier_recent, route_recent, plane_recent;

CREATE TRAINING SET trends FEATURES arrival_trends TIMESTAMP sched_dep
  WITH (owner = 'data-science', description = 'delays with what happened lately')
AS SELECT origin, dest, carrier, tailnum, distance,
          time_hour + arrow_cast(60 * minute, 'Duration(Second)') AS sched_dep,
          arr_delay > 15 AS late
   FROM flights;
