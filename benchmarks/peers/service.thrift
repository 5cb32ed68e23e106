// The service as thriftpy2 needs it.
struct Position {
  1: i64 x,
  2: i64 y,
}

struct Record {
  1: i64 id,
  2: string name,
  3: double score,
  4: bool active,
  5: list<string> tags,
  6: Position position,
}

service Benchmark {
  i64 add(1: i64 first, 2: i64 second),
  list<Record> echo(1: list<Record> value),
  i64 upload(1: binary data),
  binary download(1: i64 size),
  oneway void note(1: i64 number),
  i64 noted(),
}
