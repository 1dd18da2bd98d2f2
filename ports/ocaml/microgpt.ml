(* The port ocaml of microgpt: a function for each verb, from a request to the lines of its reply. *)

open Protocol

let ints = List.map string_of_int

(* Reads lines with [line] until the request ends; there must be one. *)
let rec lines request line =
  line (next request);
  if request.rest <> [] then lines request line

let arith request reply =
  let rec dot total = function
    | x :: y :: rest -> dot (total +. (x *. y)) rest
    | [] -> total
    | [ _ ] -> refuse "dot takes pairs"
  in
  lines request (fun (key, values) ->
      let xs = List.map double values in
      let answer x = put reply key [ hex x ] in
      match (key, xs) with
      | "add", [ x; y ] -> answer (x +. y)
      | "sub", [ x; y ] -> answer (x -. y)
      | "mul", [ x; y ] -> answer (x *. y)
      | "div", [ x; y ] -> answer (x /. y)
      | "sqrt", [ x ] -> answer (sqrt x)
      | "muladd", [ x; y; z ] -> answer ((x *. y) +. z)
      | "sum", _ :: _ -> answer (List.fold_left ( +. ) 0.0 xs)
      | "dot", _ :: _ -> answer (dot 0.0 xs)
      | "decimals", [ x ] when not (Float.abs x > 0x1p53 && Float.abs x < infinity) ->
          put reply key (ints (Run.points (Run.decimals x)))
      | _ -> refuse "line %d: an unknown key, or values that it does not take" (request.number - 1))

(* A double that is an integer or half-integer. *)
let exponent limit c =
  if not (Float.abs c <= limit && Float.is_integer (2.0 *. c)) then
    refuse "an exponent is an integer or half-integer up to %.0f" limit;
  c

let math_verb request reply =
  math request;
  lines request (fun (key, values) ->
      let angle x = if Float.abs x > 8.0 then refuse "%s takes |x| up to 8" key else x in
      let result =
        match (key, List.map double values) with
        | "exp", [ x ] -> Exact.exp x
        | "log", [ x ] -> Exact.log x
        | "sin", [ x ] -> Exact.sin (angle x)
        | "cos", [ x ] -> Exact.cos (angle x)
        | "pow", [ x; y ] -> Exact.pow x (exponent 4096.0 y)
        | _ -> refuse "line %d: expected a function and its arguments" (request.number - 1)
      in
      put reply key [ hex result ])

let random request reply =
  math request;
  let twister = Twister.create (integer 0 Twister.mask (one request "seed")) in
  lines request (fun (key, values) ->
      let draws n draw = put reply key (List.init (integer 0 1000 n) (fun _ -> draw ())) in
      match (key, values) with
      | "words", [ n ] -> draws n (fun () -> string_of_int (Twister.word twister))
      | "random", [ n ] -> draws n (fun () -> hex (Twister.random twister))
      | "gauss", [ n; sigma ] ->
          let sigma = double sigma in
          draws n (fun () -> hex (Twister.gauss twister sigma))
      | "shuffle", [ n ] ->
          let items = Array.init (integer 0 10000 n) string_of_int in
          Twister.shuffle twister items;
          put reply key (Array.to_list items)
      | "choices", n :: (_ :: _ as weights) when List.length weights <= 1000 ->
          let weights = doubles weights in
          draws n (fun () -> string_of_int (Twister.choice twister weights))
      | "state", [] ->
          put reply key (ints (twister.index :: Array.to_list twister.words));
          put reply "kept" [ (match twister.kept with None -> "none" | Some z -> hex z) ]
      | _ -> refuse "line %d: an unknown draw, or values that it does not take" (request.number - 1))

(* The last lines of a request: a dataset. *)
let dataset request =
  let line values =
    if List.length values > 10000 then refuse "a line has more than 10000 code points";
    List.map code_point values
  in
  let lines = while_key request "line" line in
  finish request;
  lines

let tokens request reply =
  let documents = Run.documents (dataset request) in
  let points, encode = Run.tokenizer documents in
  put reply "documents" (ints [ Array.length documents ]);
  put reply "vocabulary" (ints (Array.to_list points));
  put reply "bos" (ints [ Array.length points ]);
  Array.iter (fun document -> put reply "encoded" (ints (Array.to_list (encode document)))) documents

let graph request reply =
  math request;
  let tape = Tape.create () in
  let nodes = Array.make (List.length request.rest) 0 and count = ref 0 in
  let node word = nodes.(integer 0 (!count - 1) word) in
  let expression key values =
    match (key, values) with
    | "leaf", [ x ] -> Tape.leaf tape (double x)
    | "add", [ a; b ] -> Tape.add tape (node a) (node b)
    | "sub", [ a; b ] -> Tape.add tape (node a) (Tape.neg tape (node b))
    | "mul", [ a; b ] -> Tape.mul tape (node a) (node b)
    | "div", [ a; b ] -> Tape.mul tape (node a) (Tape.pow tape (node b) (-1.0))
    | "sum", a :: rest ->
        List.fold_left (fun sum b -> Tape.add tape sum (node b)) (Tape.shift tape (node a) 0.0) rest
    | "neg", [ a ] -> Tape.neg tape (node a)
    | "exp", [ a ] -> Tape.exp tape (node a)
    | "log", [ a ] -> Tape.log tape (node a)
    | "relu", [ a ] -> Tape.relu tape (node a)
    | "pow", [ a; c ] -> Tape.pow tape (node a) (exponent 1024.0 (double c))
    | "add_number", [ a; c ] -> Tape.shift tape (node a) (double c)
    | "sub_number", [ a; c ] -> Tape.shift tape (node a) (-.double c)
    | "mul_number", [ a; c ] -> Tape.scale tape (node a) (double c)
    | "div_number", [ a; c ] -> Tape.scale tape (node a) (1.0 /. double c)
    | "number_sub", [ c; a ] -> Tape.shift tape (Tape.neg tape (node a)) (double c)
    | "number_div", [ c; a ] -> Tape.scale tape (Tape.pow tape (node a) (-1.0)) (double c)
    | _ -> refuse "line %d: an unknown expression, or operands that it does not take" (request.number - 1)
  in
  let rec root () =
    match next request with
    | "root", [ a ] -> node a
    | key, values ->
        nodes.(!count) <- expression key values;
        incr count;
        root ()
  in
  let root = root () in
  finish request;
  Tape.backward tape root;
  let put_all key xs = for i = 0 to !count - 1 do put reply key [ hex xs.(nodes.(i)) ] done in
  put_all "value" tape.value;
  put_all "gradient" tape.gradient

let shape request =
  math request;
  let number key high = integer 1 high (one request key) in
  let layers = number "layers" 16 in
  let heads = number "heads" 64 in
  let embedding = number "embedding" 512 in
  if embedding mod heads <> 0 then refuse "embedding must be a multiple of heads";
  let block = number "block" 1024 in
  let vocabulary = integer 2 2048 (one request "vocabulary") in
  let squared = choose "activation" [ ("relu", false); ("squared_relu", true) ] (one request "activation") in
  let rec increasing t = function
    | [] -> refuse "attend takes at least 1 position"
    | [ last ] -> if last <> t then refuse "the last position of attend must be %d" t
    | s :: (s' :: _ as rest) -> if s >= s' then refuse "attend must increase" else increasing t rest
  in
  let attend t =
    let positions = List.map (integer 0 t) (take request "attend") in
    increasing t positions;
    Array.of_list positions
  in
  { Model.layers; heads; embedding; block; vocabulary; squared; attend = Array.init block attend }

let document (shape : Model.shape) values =
  if List.compare_length_with values 2 < 0 then refuse "a document has two or more tokens";
  Array.of_list (List.map (integer 0 (shape.vocabulary - 1)) values)

let read_matrices request prefix shape =
  let read (name, rows, columns) = tensor request (prefix ^ name) rows columns in
  Array.concat (List.map read (Model.matrices shape))

let model_and_document request =
  let shape = shape request in
  let document = document shape (take request "tokens") in
  let model = Model.create shape (read_matrices request "" shape) in
  finish request;
  (model, document)

let forward request reply =
  let model, document = model_and_document request in
  let note place name x =
    let place =
      match (place : Model.place) with
      | Position t -> Printf.sprintf "pos%d" t
      | Layer (t, i) -> Printf.sprintf "pos%d.layer%d" t i
      | Head (t, i, h) -> Printf.sprintf "pos%d.layer%d.head%d" t i h
    in
    put_tensor reply (place ^ "." ^ name) 1 (Array.length x) (fun i -> model.tape.value.(x.(i)))
  in
  let loss = Model.loss ~note model document in
  put reply "loss" [ hex model.tape.value.(loss) ]

let backward request reply =
  let model, document = model_and_document request in
  let loss = Model.loss model document in
  Tape.backward model.tape loss;
  put reply "loss" [ hex model.tape.value.(loss) ];
  put_matrices reply model.shape "" model.tape.gradient

let settings request =
  let number key = double (one request key) in
  let learning_rate = number "learning_rate" in
  let beta1 = number "beta1" in
  let beta2 = number "beta2" in
  let epsilon = number "epsilon" in
  let schedules = [ ("linear", Training.Linear); ("cosine", Training.Cosine) ] in
  let schedule = choose "schedule" schedules (one request "schedule") in
  let steps = integer 1 4096 (one request "steps") in
  { Training.learning_rate; beta1; beta2; epsilon; schedule; steps }

let adam request reply =
  math request;
  let settings = settings request in
  let step = integer 0 (settings.steps - 1) (one request "step") in
  let rows, columns =
    match request.rest with
    | line :: _ -> (
        match words line with
        | [ _; _; rows; columns ] -> (integer 1 2048 rows, integer 1 2048 columns)
        | _ -> refuse "line %d: expected a tensor" request.number)
    | [] -> refuse "expected four tensors"
  in
  let read name = tensor request name rows columns in
  let p = read "parameters" in
  let g = read "gradients" in
  let m = read "m" in
  let v = read "v" in
  finish request;
  Training.update settings step ~p ~g ~m ~v;
  let correction1, correction2 = Training.corrections settings step in
  put reply "rate" [ hex (Training.rate settings step) ];
  put reply "correction1" [ hex correction1 ];
  put reply "correction2" [ hex correction2 ];
  let write name xs = put_tensor reply name rows columns (fun i -> xs.(i)) in
  List.iter2 write [ "m"; "v"; "parameters" ] [ m; v; p ]

let train request reply =
  let shape = shape request in
  let settings = settings request in
  let from = integer 0 (settings.steps - 1) (one request "from") in
  let count = integer 1 (settings.steps - from) (one request "count") in
  let full = List.map (integer from (from + count - 1)) (take request "full") in
  if List.sort_uniq compare full <> full then refuse "the steps of full must increase";
  let documents = Array.of_list (while_key request "tokens" (document shape)) in
  if documents = [||] then refuse "line %d: expected tokens" request.number;
  let model = Model.create shape (read_matrices request "" shape) in
  let moment prefix =
    if from = 0 then Array.make model.parameters 0.0 else read_matrices request prefix shape in
  let m = moment "m." in
  let v = moment "v." in
  finish request;
  for step = from to from + count - 1 do
    let loss = Training.step settings step model documents.(step mod Array.length documents) ~m ~v in
    put reply "step" (ints [ step ]);
    put reply "loss" [ hex loss ];
    let all = [ ("gradients", model.tape.gradient); ("m", m); ("v", v); ("parameters", model.tape.value) ] in
    List.iter (fun (key, xs) -> put reply key [ Training.checksum model.parameters xs ]) all;
    if List.mem step full then List.iter (fun (key, xs) -> put_matrices reply shape (key ^ ".") xs) all
  done

let sample request reply =
  let shape = shape request in
  let temperature = double (one request "temperature") in
  let samples = integer 0 1000 (one request "samples") in
  let model = Model.create shape (read_matrices request "" shape) in
  let index, words =
    match take request "state" with
    | index :: words when List.length words = 624 ->
        (integer 0 624 index, Array.of_list (List.map (integer 0 Twister.mask) words))
    | _ -> refuse "state takes an index and 624 words"
  in
  let kept = match one request "kept" with "none" -> None | z -> Some (double z) in
  finish request;
  let twister = { Twister.index; words; kept } in
  let drawn probabilities token =
    put reply "probabilities" (hexes probabilities);
    put reply "token" (ints [ token ])
  in
  for i = 0 to samples - 1 do
    put reply "sample" (ints [ i ]);
    ignore (Model.sample ~drawn model temperature twister)
  done;
  put reply "word" (ints [ Twister.word twister ])

let run request reply =
  math request;
  let preset = choose "preset" Run.presets (one request "preset") in
  let steps = integer 1 4096 (one request "steps") in
  let samples = integer 0 1000 (one request "samples") in
  let print line = put reply "print" (ints line) in
  let parameters, m, v, twister = Run.run preset ~steps ~samples ~print (dataset request) in
  let sum key xs = put reply key [ Training.checksum (Array.length xs) xs ] in
  List.iter2 sum [ "parameters"; "m"; "v" ] [ parameters; m; v ];
  put reply "word" (ints [ Twister.word twister ])

let rec verbs () =
  [ ("hello", hello); ("arith", arith); ("math", math_verb); ("random", random); ("tokens", tokens);
    ("graph", graph); ("forward", forward); ("backward", backward); ("adam", adam); ("train", train);
    ("sample", sample); ("run", run) ]

and hello request reply =
  finish request;
  put reply "name" [ "ocaml" ];
  put reply "protocol" [ "1" ];
  put reply "verbs" (List.map fst (verbs ()));
  put reply "math" [ "exact" ]

let is_id id =
  let allowed = function 'A' .. 'Z' | 'a' .. 'z' | '0' .. '9' | '.' | '_' | '-' -> true | _ -> false in
  id <> "" && String.length id <= 64 && String.for_all allowed id

let is_verb verb = verb <> "" && String.for_all (fun c -> '!' <= c && c <= '~') verb

(* The reply is known before it is written, since a request can be wrong at its last line. *)
let answer complete header rest =
  let reply = Buffer.create 4096 in
  match String.split_on_char ' ' header with
  | [ verb; id ] when String.length header <= longest && is_verb verb && is_id id -> (
      put reply "ok" [ id ];
      let error reason = "error " ^ id ^ " " ^ reason ^ "\n" in
      try
        if not complete then refuse "the input ended before the line end";
        match List.assoc_opt verb (verbs ()) with
        | None -> raise Unsupported
        | Some verb -> verb { rest; number = 2 } reply; Buffer.contents reply
      with
      | Unsupported -> error "unsupported"
      | Refused reason | Run.No_dataset reason -> error reason
      | Twister.No_choice -> error "the weights of a choice must add up to a finite number above 0")
  | _ -> "error - line 1 must be a verb and an id\n"

(* Collects the lines of a request, last one first, and answers it. *)
let rec serve before =
  let send complete =
    match List.rev before with
    | header :: rest -> print_string (answer complete header rest ^ "end\n"); flush stdout
    | [] -> if complete then (print_string (answer true "" [] ^ "end\n"); flush stdout)
  in
  match input_line stdin with
  | "end" -> send true; serve []
  | line -> serve (line :: before)
  | exception End_of_file -> send false

(* The command for people. *)
let command preset =
  let rec read lines = match input_line stdin with line -> read (line :: lines) | exception End_of_file -> List.rev lines in
  let decoded line = match Run.decode line with Some line -> line | None -> raise (Run.No_dataset "the input is not UTF-8") in
  let print line =
    let text = Buffer.create 64 in
    List.iter (fun point -> Buffer.add_utf_8_uchar text (Uchar.of_int point)) line;
    print_endline (Buffer.contents text)
  in
  ignore (Run.run preset ~steps:preset.settings.steps ~samples:20 ~print (List.map decoded (read [])))

let () =
  try
    match List.tl (Array.to_list Sys.argv) with
    | [] -> serve []
    | [ "run" ] -> command Run.seed
    | [ "run"; name ] when List.mem_assoc name Run.presets -> command (List.assoc name Run.presets)
    | _ -> raise (Run.No_dataset "usage: microgpt [run [seed|classic]]")
  with Run.No_dataset reason | Protocol.Refused reason -> prerr_endline reason; exit 1
