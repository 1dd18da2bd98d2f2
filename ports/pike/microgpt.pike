// microgpt in Pike. Without arguments it speaks the protocol of conformance/SPEC.md, section 11;
// `microgpt.pike run [seed|classic] < names.txt` trains, and prints what it makes up.

import .Protocol;

// The reply is collected first: a request can turn out to be wrong at its last line.
Lines answer(Lines lines, int complete) {
  string first = sizeof(lines) ? lines[0] : "";
  int parts = sscanf(first, "%[!-~] %[A-Za-z0-9._-]%*c", string name, string id);
  if (parts != 2 || name == "" || id == "" || sizeof(id) > 64)
    return ({ "error - line 1 must be a verb and an id" });
  Lines reply;
  mixed problem = catch {
    if (!complete)
      refuse("the input ended before the line end");
    function(Request:Lines) verb = mkmapping(@Array.transpose(.Verbs.verbs))[name];
    if (!verb)
      refuse("unsupported");
    reply = ({ "ok " + id }) + verb(Request(lines));
  };
  if (stringp(problem))
    return ({ sprintf("error %s %s", id, problem) });
  if (problem)
    throw(problem);  // a mistake in this program
  return reply;
}

int serve() {
  Lines lines = ({});
  while (string line = Stdio.stdin->gets()) {
    if (line != "end") {
      lines += ({ sizeof(line) <= 65536 ? line : "" });  // an empty line is wrong everywhere, too
      continue;
    }
    write("%s\nend\n", answer(lines, 1) * "\n");
    lines = ({});
  }
  if (sizeof(lines))
    write("%s\nend\n", answer(lines, 0) * "\n");
  return 0;
}

int main(int argc, array(string) argv) {
  string preset = argc > 2 ? argv[2] : "seed";
  if (argc == 1)
    return serve();
  if (argc > 3 || argv[1] != "run" || !has_value(({ "seed", "classic" }), preset)) {
    werror("usage: microgpt.pike [run [seed|classic] < names.txt]\n");
    return 2;
  }
  mixed problem = catch {
    string text;
    if (catch (text = utf8_to_string(Stdio.stdin->read())))
      refuse("the input is not UTF-8");
    .Run.run(preset, preset == "seed" ? 500 : 1000, 20, text / "\n", lambda(string line) {
      write("%s\n", string_to_utf8(line));
    });
    return 0;
  };
  if (!stringp(problem))
    throw(problem);
  werror("microgpt: %s\n", problem);
  return 1;
}
