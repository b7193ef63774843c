# From a page of configs/grafana/source to a dashboard of Grafana: lays out rows and panels, and adds what is the same for all.

def datasource: {type: "prometheus", uid: "marquee"};

def annotation(name; color; expression; title):
  {name: name, iconColor: color, enable: true, datasource: datasource, expr: expression, step: "15s", titleFormat: title};

# What happened to the fleet, as lines on all graphs.
def annotations:
  [ annotation("started or deployed"; "blue"; "changes(process_start_time_seconds[30s]) > 0"; "{{instance}} started"),
    annotation("reloaded"; "purple"; "changes(marquee_balancer_config_loaded_timestamp_seconds[30s]) > 0"; "configuration reloaded"),
    annotation("drained"; "yellow"; "marquee_balancer_endpoint_state{state=\"draining\"} == 1"; "{{pool}} {{endpoint}} drained"),
    annotation("out"; "orange"; "marquee_balancer_endpoint_state{state=~\"out|ejected\"} == 1"; "{{pool}} {{endpoint}} {{state}}"),
    annotation("drill fault"; "dark-red"; "marquee_drill_fault_active == 1 or time() - marquee_drill_fault_injected_timestamp_seconds < 15"; "{{kind}} of {{part}}"),
    annotation("alert"; "red"; "ALERTS{alertstate=\"firing\"}"; "{{alertname}}") ];

# thresholds: [[0.01, "orange"], [0.05, "red"]] on a ground that is green unless it is said otherwise.
def thresholds:
  {mode: "absolute", steps: ([{color: (.ground // "green"), value: null}] + [(.thresholds // [])[] | {value: .[0], color: .[1]}])};

def options($kind):
  if $kind == "stat" then
    {reduceOptions: {calcs: ["lastNotNull"]}, colorMode: "background", graphMode: "area", textMode: "auto"}
  elif $kind == "bargauge" then
    {reduceOptions: {calcs: ["lastNotNull"]}, displayMode: "lcd", orientation: "horizontal"}
  elif $kind == "state-timeline" then {showValue: "never", mergeValues: true, legend: {displayMode: "list", placement: "bottom"}}
  elif $kind == "table" then {showHeader: true}
  else {legend: {displayMode: "table", placement: "bottom", calcs: ["lastNotNull", "max"]}, tooltip: {mode: "multi", sort: "desc"}} end;

# What is of the whole time that is looked at is asked for once; all else for each moment of it.
def targets($kind):
  to_entries | to_entries | map(
    ($kind == "table" or (.value.value | contains("$__range]"))) as $once
    | { refId: ("ABCDEFGH" / "")[.key], datasource: datasource, expr: .value.value, legendFormat: .value.key,
        range: ($once | not), instant: $once } + if $kind == "table" then {format: "table"} else {} end);

def panel:
  . as $panel | ($panel.kind // "timeseries") as $kind
  | { type: $kind, title: $panel.title, description: ($panel.description // ""), datasource: datasource,
      fieldConfig: {
        defaults: ({
          unit: $panel.unit, thresholds: ($panel | thresholds), min: $panel.min, max: $panel.max,
          color: {mode: (if $kind == "timeseries" then "palette-classic" else "thresholds" end)},
          custom: (if $kind == "timeseries" then
            {fillOpacity: 10, showPoints: "never", lineWidth: 1,
             stacking: {mode: (if $panel.stacked then "normal" else "none" end)},
             thresholdsStyle: {mode: (if $panel.thresholds then "line" else "off" end)}} else {} end)
        } | del(.[] | nulls)),
        overrides: [] },
      options: options($kind), targets: ($panel.queries | targets($kind)) };

# Panels from left to right, a new line where one does not fit; each row of the page has a title of its own.
def laid_out:
  reduce .[] as $row ({y: 0, panels: []};
    .panels += [{type: "row", title: $row.title, collapsed: false, panels: [], gridPos: {x: 0, y: .y, w: 24, h: 1}}]
    | .y += 1 | .x = 0 | .height = 0
    | reduce $row.panels[] as $panel (.;
        ($panel.width // 8) as $width | ($panel.height // (if $panel.kind == "stat" then 4 else 8 end)) as $height
        | if .x + $width > 24 then .y += .height | .x = 0 | .height = 0 else . end
        | .panels += [($panel | panel) + {gridPos: {x: .x, y: .y, w: $width, h: $height}}]
        | .x += $width | .height = ([.height, $height] | max))
    | .y += .height)
  | .panels | to_entries | map(.value + {id: (.key + 1)});

{ uid, title, description, tags: ["marquee"], timezone: "browser", editable: false, schemaVersion: 39, refresh: "5s",
  time: {from: "now-30m", to: "now"}, graphTooltip: 1,
  links: [{type: "dashboards", tags: ["marquee"], title: "Marquee", asDropdown: false, includeVars: false, keepTime: true}],
  annotations: {list: annotations}, templating: {list: []},
  panels: (.rows | laid_out) }
