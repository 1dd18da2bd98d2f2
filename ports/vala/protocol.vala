/* Requests and replies (SPEC, sections 11 and 13). */
errordomain BadRequest { REASON }

/* Lists of numbers that may be elements of lists. */
class Integers {
    public int[] at = {};
}

/* The next line of bytes without its LF, or null. It is not plain if it has bytes that no request may have. */
class ByteLine {
    public uint8[] bytes = {};
    public bool is_plain = true;

    public static ByteLine? read () {
        int c = stdin.getc ();
        if (c == FileStream.EOF) return null;
        var line = new ByteLine ();
        for (; c != '\n' && c != FileStream.EOF; c = stdin.getc ()) {
            line.bytes += (uint8) c;
            if (c < ' ' || c > '~') line.is_plain = false;
        }
        return line;
    }

    public string to_text () {
        var text = new StringBuilder ();
        foreach (uint8 c in bytes) text.append_c ((char) c);
        return text.str;
    }
}

class Request {
    public string? verb = null; /* null if the first line is wrong */
    public string id = "-";
    public bool is_complete = false;
    public bool is_empty { get { return !is_complete && lines.length == 0; } }
    public bool at_end { get { return next >= lines.length; } }
    GenericArray<string> lines = new GenericArray<string> ();
    int next = 0;

    /* Of the line taken last: */
    public string key;
    public string[] values;

    /* A line that nothing allows becomes an empty one: nothing allows that, either. */
    public Request.read () {
        while (!is_complete) {
            var line = ByteLine.read ();
            if (line == null) break;
            string text = line.is_plain && line.bytes.length <= 65536 ? line.to_text () : "";
            is_complete = text == "end";
            if (!is_complete) lines.add (text);
        }
        if (lines.length == 0) return;
        split ();
        if (values.length != 1 || key == "" || !Regex.match_simple ("^[A-Za-z0-9._-]{1,64}$", values[0])) return;
        verb = key;
        id = values[0];
    }

    void split () {
        string[] words = lines[next++].split (" ");
        key = words.length > 0 ? words[0] : "";
        values = words.length > 0 ? words[1:words.length] : words;
    }

    public bool next_is (string key) {
        return !at_end && (lines[next] == key || lines[next].has_prefix (key + " "));
    }

    public void take_next () throws BadRequest {
        if (at_end) throw new BadRequest.REASON ("expected another line, but the request ends");
        split ();
    }

    public void take (string key, int count = -1) throws BadRequest {
        if (!next_is (key)) throw new BadRequest.REASON ("expected a line %s", key);
        split ();
        if (count >= 0 && values.length != count) throw new BadRequest.REASON ("%s takes %d values", key, count);
    }

    public void finish () throws BadRequest {
        if (!at_end) throw new BadRequest.REASON ("expected end, but there are more lines");
    }

    public bool is (string key, int count) { return values.length == count && this.key == key; }

    public double number (int place) throws BadRequest {
        if (place >= values.length) throw new BadRequest.REASON ("expected another double");
        unowned string word = values[place];
        uint64 bits = 0;
        if (word.length != 16) throw new BadRequest.REASON ("a double has 16 hex digits");
        for (int i = 0; i < 16; i++) {
            if (!word[i].isxdigit () || word[i].isupper ()) throw new BadRequest.REASON ("a double has hex digits");
            bits = bits << 4 | (uint64) word[i].xdigit_value ();
        }
        return Exact.double_of (bits);
    }

    public double[] numbers (int first = 0) throws BadRequest {
        double[] all = {};
        for (int i = first; i < values.length; i++) all += number (i);
        return all;
    }

    public int64 whole (int place, int64 low, int64 high) throws BadRequest {
        if (place >= values.length) throw new BadRequest.REASON ("expected another integer");
        unowned string word = values[place];
        bool is_decimal = word.length >= 1 && word.length <= 10 && (word == "0" || word[0] != '0');
        for (int i = 0; i < word.length; i++) is_decimal = is_decimal && word[i].isdigit ();
        int64 n = is_decimal ? int64.parse (word) : -1;
        if (n < low || n > high || !is_decimal)
            throw new BadRequest.REASON ("expected an integer from %s to %s", low.to_string (), high.to_string ());
        return n;
    }

    public Integers wholes (int low, int high) throws BadRequest {
        var all = new Integers ();
        for (int i = 0; i < values.length; i++) all.at += (int) whole (i, low, high);
        return all;
    }

    public double take_number (string key) throws BadRequest {
        take (key, 1);
        return number (0);
    }

    public int take_whole (string key, int low, int high) throws BadRequest {
        take (key, 1);
        return (int) whole (0, low, high);
    }

    public bool take_choice (string key, string first, string second) throws BadRequest { /* whether it is the second */
        take (key, 1);
        if (values[0] != first && values[0] != second)
            throw new BadRequest.REASON ("expected %s %s or %s", key, first, second);
        return values[0] == second;
    }

    public void take_math () throws BadRequest {
        if (take_choice ("math", "exact", "native")) throw new BadRequest.REASON ("unsupported");
    }

    /* The numbers of a tensor. Its rows and columns are read, too, where they are 0. */
    public double[] take_tensor (string name, ref int rows, ref int columns) throws BadRequest {
        double[] all = {};
        take ("tensor " + name, 3);
        rows = (int) whole (1, rows > 0 ? rows : 1, rows > 0 ? rows : 2048);
        columns = (int) whole (2, columns > 0 ? columns : 1, columns > 0 ? columns : 2048);
        for (int i = 0; i < rows; i++) {
            take ("row", columns);
            for (int j = 0; j < columns; j++) all += number (j);
        }
        return all;
    }
}

class Reply {
    public StringBuilder text = new StringBuilder ();

    public void line (string line) { text.append (line).append_c ('\n'); }
    public void number (string key, double x) { line ("%s %016llx".printf (key, Exact.bits_of (x))); }

    public void numbers (string key, double[] x) {
        text.append (key);
        foreach (double each in x) text.append_printf (" %016llx", Exact.bits_of (each));
        text.append_c ('\n');
    }

    public void integers (string key, int[] x) {
        text.append (key);
        foreach (int each in x) text.append_printf (" %d", each);
        text.append_c ('\n');
    }

    public void tensor (string name, int rows, int columns, double[] x, int first = 0) {
        line ("tensor %s %d %d".printf (name, rows, columns));
        for (int i = 0; i < rows; i++) numbers ("row", x[first + i * columns:first + (i + 1) * columns]);
    }

    public void checksum (string key, double[] x) {
        uint64 a = 1, b = 0;
        foreach (double each in x) {
            uint64 bits = Exact.bits_of (each);
            a = (a + (bits >> 32)) % 4294967291;
            b = (b + a) % 4294967291;
            a = (a + (bits & 0xffffffff)) % 4294967291;
            b = (b + a) % 4294967291;
        }
        line ("%s %08llx %08llx".printf (key, a, b));
    }

    public void send () {
        stdout.write (text.data);
        stdout.flush ();
    }
}
