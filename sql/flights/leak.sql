-- How not to do it, for comparison.

-- A mistake that `asof verify carrier_day --leakage` finds. A day's mean is stamped with the start of the day: so at
-- noon it is the newest row of its carrier, and knows how late the flights of the evening will be.
CREATE FEATURE VIEW carrier_day ENTITY carrier TIMESTAMP day
  WITH (owner = 'data-science', description = 'Wrong on purpose: knows a day when it begins')
AS SELECT carrier, date_trunc('day', landed_at) AS day, avg(arr_delay) AS mean_delay, count(*) AS flights
   FROM landings
   GROUP BY carrier, date_trunc('day', landed_at);

-- A mistake that no program can find, since nothing in the data says when a delay became known. The view below says
-- the same as plane_history but for one word: a landing is stamped with its scheduled departure. So at that moment it
-- is the newest row of its plane, and each flight is told its own arrival delay before it leaves.
CREATE FEATURE VIEW leaky_plane_history ENTITY plane TIMESTAMP sched_dep TTL INTERVAL '2 days'
  WITH (owner = 'data-science', description = 'Wrong on purpose: knows a landing at departure')
AS SELECT tailnum, sched_dep, arr_delay AS last_arr_delay
   FROM landings;

CREATE FEATURE SERVICE leaky_arrival_risk REQUEST (distance DOUBLE)
  WITH (owner = 'data-science', description = 'arrival_risk over leaky_plane_history')
AS SELECT origin_weather.temp, origin_weather.wind_speed, origin_weather.precip, origin_weather.visib,
          mean_delay_7d, flights_7d, route_delay_7d, route_flights_7d, last_arr_delay, age, seats,
          last_arr_delay > 15 AND distance > 1000 AS risky
   FROM airport_weather(origin) AS origin_weather, carrier_delays, route_delays, leaky_plane_history, plane_facts;

CREATE TRAINING SET leaky_delays FEATURES leaky_arrival_risk TIMESTAMP sched_dep
  WITH (owner = 'data-science', description = 'delays with the leak')
AS SELECT origin, dest, carrier, tailnum, distance,
          time_hour + arrow_cast(60 * minute, 'Duration(Second)') AS sched_dep,
          arr_delay > 15 AS late
   FROM flights;
