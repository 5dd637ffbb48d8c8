-- What models ask for, at scheduled departure: will this flight arrive more than 15 minutes late?

-- For a board at the gate, which knows the airport, the carrier, the plane and how far it goes.
CREATE FEATURE SERVICE departure_delay REQUEST (distance DOUBLE)
  WITH (owner = 'data-science', description = 'What a gate knows of a delay')
AS SELECT origin_weather.temp, origin_weather.wind_speed, origin_weather.precip, origin_weather.visib,
          mean_delay_7d, flights_7d, last_arr_delay, age, seats,
          last_arr_delay > 15 AND distance > 1000 AS risky      -- computed at request time
   FROM airport_weather(origin) AS origin_weather, carrier_delays, plane_history, plane_facts;

-- The same and the route: what the model below is trained on.
CREATE FEATURE SERVICE arrival_risk REQUEST (distance DOUBLE)
  WITH (owner = 'data-science', description = 'Inputs of the model of late arrivals')
AS SELECT origin_weather.temp, origin_weather.wind_speed, origin_weather.precip, origin_weather.visib,
          mean_delay_7d, flights_7d, route_delay_7d, route_flights_7d, last_arr_delay, age, seats,
          last_arr_delay > 15 AND distance > 1000 AS risky
   FROM airport_weather(origin) AS origin_weather, carrier_delays, route_delays, plane_history, plane_facts;

-- Every flight of the year as of its scheduled departure, with what happened in the end. A flight that
-- never arrived has no answer: `late` is null.
CREATE TRAINING SET delays FEATURES arrival_risk TIMESTAMP sched_dep
  WITH (owner = 'data-science', description = 'All flights of 2013, labelled late or not')
AS SELECT origin, dest, carrier, tailnum, distance,
          time_hour + arrow_cast(60 * minute, 'Duration(Second)') AS sched_dep,
          arr_delay > 15 AS late
   FROM flights;
