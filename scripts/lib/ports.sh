# shellcheck shell=bash
# Ports on 127.0.0.1: taken or free, and by whom.

# port_taken PORT: whether something accepts connections there.
port_taken() { (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_holder PORT → REPLY: " by NAME (pid N)", or nothing when that cannot be found out.
port_holder() {
  local port=$1 pid="" inode
  REPLY=""
  if [[ -r /proc/net/tcp ]]; then
    printf -v port ':%04X' "$port"
    inode=$(awk -v port="$port" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
      /proc/net/tcp /proc/net/tcp6 2>/dev/null) || true
    if [[ -n $inode ]]; then
      pid=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$inode\\]" 2>/dev/null | head -n 1) || true
      pid=${pid#/proc/} pid=${pid%%/*}
    fi
  elif command -v lsof >/dev/null; then
    pid=$(lsof -nP -t -iTCP:"$port" -sTCP:LISTEN 2>/dev/null | head -n 1) || true
  fi
  if [[ -n $pid ]]; then
    REPLY=" by $(process_name "$pid") (pid $pid)"
  fi
}

# process_name PID: what the system calls it.
process_name() { cat "/proc/$1/comm" 2>/dev/null || ps -o comm= -p "$1" 2>/dev/null || printf 'a process'; }

# refuse_taken WHAT PORT WAY_OUT: ends the script when the port is taken.
refuse_taken() {
  if port_taken "$2"; then
    port_holder "$2"
    die "port $2 ($1) is in use$REPLY; stop it or $3"
  fi
}

# free_port FROM → REPLY: the first port from there on that nobody listens on.
free_port() {
  local port=$1
  while port_taken "$port"; do port=$((port + 1)); done
  REPLY=$port
}

# kept_port NAME FROM → REPLY: the port this run directory uses for NAME, chosen once and remembered.
kept_port() {
  local file=$run_dir/$1.port port=""
  if [[ -s $file ]]; then
    read -r port <"$file"
    if ! port_taken "$port"; then
      REPLY=$port
      return
    fi
    note "port $port of $1 was taken meanwhile: choosing another"
  fi
  free_port "$2"
  printf '%s\n' "$REPLY" >"$file"
}

# http_status PORT PATH → REPLY: the status of a GET, or nothing.
http_status() {
  REPLY=$(
    exec 2>/dev/null 9<>"/dev/tcp/127.0.0.1/$1" &&
      printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$2" "$1" >&9 &&
      IFS=' ' read -r -t 5 _ status _ <&9 &&
      printf '%s' "$status"
  ) || REPLY=""
}
