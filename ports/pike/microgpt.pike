// microgpt in Pike. Without arguments it speaks the protocol of conformance/SPEC.md, section 11;
// `microgpt.pike run [seed|classic] < names.txt` trains, and prints what it makes up.

import .Protocol;

constant line_limit = 65536;

Lines dispatch(string name, Lines lines, int complete) {
  if (!complete)
    refuse("the input ended before the line end");
  foreach (.Verbs.verbs, [string known, function(Request:Lines) verb])
    if (known == name)
      return verb(Request(lines));
  refuse("unsupported");
}

int(0..1) consists_of(string characters, string text) {
  sscanf(text, "%[" + characters + "]%s", string good, string rest);
  return good != "" && rest == "";
}

// The reply is collected first: a request can turn out to be wrong at its last line.
Lines answer(Lines lines, int complete) {
  Lines header = sizeof(lines) ? lines[0] / " " : ({});
  if (sizeof(header) != 2 || !consists_of("!-~", header[0]) || !consists_of("A-Za-z0-9._-", header[1])
      || sizeof(header[1]) > 64)
    return ({ "error - line 1 must be a verb and an id" });
  Lines reply;
  mixed problem = catch {
    reply = ({ "ok " + header[1] }) + dispatch(header[0], lines, complete);
  };
  if (stringp(problem))
    return ({ sprintf("error %s %s", header[1], problem) });
  if (problem)
    throw(problem);  // a mistake in this program
  return reply;
}

void write_reply(Lines lines) {
  write("%s\nend\n", lines * "\n");
}

void serve() {
  Lines lines = ({});
  while (string line = Stdio.stdin->gets()) {
    if (line == "end") {
      write_reply(answer(lines, 1));
      lines = ({});
    } else {
      lines += ({ sizeof(line) <= line_limit ? line : "" });  // an empty line is wrong everywhere, too
    }
  }
  if (sizeof(lines))
    write_reply(answer(lines, 0));
}

// Trains for people. Returns the exit status.
int train(string preset) {
  mixed problem = catch {
    if (!.Run.presets[preset])
      refuse("a preset is seed or classic");
    string text;
    if (catch { text = utf8_to_string(Stdio.stdin->read()); })
      refuse("the input is not UTF-8");
    .Run.run(preset, text / "\n", lambda(string line) { write("%s\n", string_to_utf8(line)); });
    return 0;
  };
  if (!stringp(problem))
    throw(problem);
  werror("microgpt: %s\n", problem);
  return 1;
}

int main(int argc, array(string) argv) {
  if (argc == 1) {
    serve();
    return 0;
  }
  if (argv[1] == "run" && argc <= 3)
    return train(argc == 3 ? argv[2] : "seed");
  werror("usage: microgpt.pike [run [seed|classic] < names.txt]\n");
  return 2;
}
