(* The port ocaml of microgpt: a function for each verb, from a request to the lines of its reply. *)

open Protocol

let arith request reply =
  let rec dot total = function
    | x :: y :: rest -> dot (total +. (x *. y)) rest
    | [] -> total
    | [ _ ] -> refuse "dot takes pairs" in
  each_line request (fun key values ->
      let answer x = put reply key [ hex x ] in
      match (key, List.map double values) with
      | "add", [ x; y ] -> answer (x +. y)
      | "sub", [ x; y ] -> answer (x -. y)
      | "mul", [ x; y ] -> answer (x *. y)
      | "div", [ x; y ] -> answer (x /. y)
      | "sqrt", [ x ] -> answer (sqrt x)
      | "muladd", [ x; y; z ] -> answer ((x *. y) +. z)
      | "sum", (_ :: _ as xs) -> answer (List.fold_left ( +. ) 0.0 xs)
      | "dot", (_ :: _ as xs) -> answer (dot 0.0 xs)
      | "decimals", [ x ] when not (Float.abs x > 0x1p53 && Float.abs x < infinity) ->
          put reply key (ints (Run.points (Run.decimals x)))
      | _ -> refuse "an unknown operation, or operands that it does not take")

let exponent limit c =
  if Float.abs c <= limit && Float.is_integer (2.0 *. c) then c
  else refuse "an exponent is an integer or half-integer up to %.0f" limit

let functions request reply =
  math request;
  each_line request (fun key values ->
      let result =
        match (key, List.map double values) with
        | "exp", [ x ] -> Exact.exp x
        | "log", [ x ] -> Exact.log x
        | ("sin" | "cos"), [ x ] when Float.abs x > 8.0 -> refuse "%s takes |x| up to 8" key
        | "sin", [ x ] -> Exact.sin x
        | "cos", [ x ] -> Exact.cos x
        | "pow", [ x; y ] -> Exact.pow x (exponent 4096.0 y)
        | _ -> refuse "an unknown function, or arguments that it does not take" in
      put reply key [ hex result ])

let random request reply =
  math request;
  let twister = Twister.create (one request "seed" (integer 0 Twister.mask)) in
  each_line request (fun key values ->
      let draws n draw = put reply key (List.init (integer 0 1000 n) (fun _ -> draw twister)) in
      match (key, values) with
      | "words", [ n ] -> draws n (fun twister -> string_of_int (Twister.word twister))
      | "random", [ n ] -> draws n (fun twister -> hex (Twister.random twister))
      | "gauss", [ n; sigma ] -> let sigma = double sigma in draws n (fun twister -> hex (Twister.gauss twister sigma))
      | "shuffle", [ n ] ->
          let items = Array.init (integer 0 10000 n) string_of_int in
          Twister.shuffle twister items;
          put reply key (Array.to_list items)
      | "choices", n :: (_ :: _ as weights) when List.length weights <= 1000 ->
          let weights = Array.of_list (List.map double weights) in
          draws n (fun twister -> string_of_int (Twister.choice twister weights))
      | "state", [] ->
          put reply key (ints (twister.index :: Array.to_list twister.words));
          put reply "kept" [ Option.fold twister.kept ~none:"none" ~some:hex ]
      | _ -> refuse "an unknown draw, or values that it does not take")

(* The last lines of a request. *)
let dataset request =
  let line values = if List.length values > 10000 then refuse "a line is too long" else List.map code_point values in
  let lines = while_key request "line" line in
  finish request; lines

let tokens request reply =
  let documents = Run.documents (dataset request) in
  let points, encode = Run.tokenizer documents in
  let put key values = put reply key (ints (Array.to_list values)) in
  let size items = [| Array.length items |] in
  List.iter2 put [ "documents"; "vocabulary"; "bos" ] [ size documents; points; size points ];
  Array.iter (fun document -> put "encoded" (encode document)) documents

let graph request reply =
  math request;
  let tape = Tape.create () and nodes = Array.make (List.length !request) 0 in
  let rec read count =
    let node word = nodes.(integer 0 (count - 1) word) in
    let add expression = nodes.(count) <- expression; read (count + 1) in
    match next request with
    | "root", [ a ] -> (node a, count)
    | "leaf", [ x ] -> add (Tape.leaf tape (double x))
    | "add", [ a; b ] -> add (Tape.add tape (node a) (node b))
    | "sub", [ a; b ] -> add (Tape.add tape (node a) (Tape.neg tape (node b)))
    | "mul", [ a; b ] -> add (Tape.mul tape (node a) (node b))
    | "div", [ a; b ] -> add (Tape.mul tape (node a) (Tape.pow tape (node b) (-1.0)))
    | "sum", a :: rest ->
        let start = Tape.shift tape (node a) 0.0 in
        add (List.fold_left (fun sum b -> Tape.add tape sum (node b)) start rest)
    | "neg", [ a ] -> add (Tape.neg tape (node a))
    | "exp", [ a ] -> add (Tape.exp tape (node a))
    | "log", [ a ] -> add (Tape.log tape (node a))
    | "relu", [ a ] -> add (Tape.relu tape (node a))
    | "pow", [ a; c ] -> add (Tape.pow tape (node a) (exponent 1024.0 (double c)))
    | "add_number", [ a; c ] -> add (Tape.shift tape (node a) (double c))
    | "sub_number", [ a; c ] -> add (Tape.shift tape (node a) (-.double c))
    | "mul_number", [ a; c ] -> add (Tape.scale tape (node a) (double c))
    | "div_number", [ a; c ] -> add (Tape.scale tape (node a) (1.0 /. double c))
    | "number_sub", [ c; a ] -> add (Tape.shift tape (Tape.neg tape (node a)) (double c))
    | "number_div", [ c; a ] -> add (Tape.scale tape (Tape.pow tape (node a) (-1.0)) (double c))
    | _ -> refuse "an unknown expression, or operands that it does not take" in
  let root, count = read 0 in
  finish request;
  Tape.backward tape root;
  let put_all key xs = for i = 0 to count - 1 do put reply key [ hex xs.(nodes.(i)) ] done in
  List.iter2 put_all [ "value"; "gradient" ] [ tape.value; tape.gradient ]

let shape request =
  math request;
  let number key low high = one request key (integer low high) in
  let layers = number "layers" 1 16 in
  let heads = number "heads" 1 64 in
  let embedding = number "embedding" 1 512 in
  if embedding mod heads <> 0 then refuse "embedding must be a multiple of heads";
  let block = number "block" 1 1024 in
  let vocabulary = number "vocabulary" 2 2048 in
  let squared = one request "activation" (choose [ ("relu", false); ("squared_relu", true) ]) in
  let attend t =
    let positions = List.map (integer 0 t) (take request "attend") in
    if not (List.mem t positions) then refuse "position %d must attend to itself" t;
    if List.sort_uniq compare positions <> positions then refuse "attend must increase";
    Array.of_list positions in
  { Model.layers; heads; embedding; block; vocabulary; squared; attend = Array.init block attend }

let document (shape : Model.shape) values =
  if List.compare_length_with values 2 < 0 then refuse "a document has two or more tokens";
  Array.of_list (List.map (integer 0 (shape.vocabulary - 1)) values)

let model_and_document request =
  let shape = shape request in
  let document = document shape (take request "tokens") in
  let model = Model.create shape (matrices request shape "") in
  finish request;
  (model, document)

let forward request reply =
  let model, document = model_and_document request in
  let place_name = function
    | Model.Position t -> Printf.sprintf "pos%d" t
    | Layer (t, i) -> Printf.sprintf "pos%d.layer%d" t i
    | Head (t, i, h) -> Printf.sprintf "pos%d.layer%d.head%d" t i h in
  let note place name x =
    put_tensor reply (place_name place ^ "." ^ name) (1, Array.length x) (fun i -> model.tape.value.(x.(i))) in
  let loss = Model.loss ~note model document in
  put reply "loss" [ hex model.tape.value.(loss) ]

let backward request reply =
  let model, document = model_and_document request in
  let loss = Model.loss model document in
  Tape.backward model.tape loss;
  put reply "loss" [ hex model.tape.value.(loss) ];
  put_matrices reply model.shape "" model.tape.gradient

let settings request =
  let learning_rate = one request "learning_rate" double in
  let beta1 = one request "beta1" double in
  let beta2 = one request "beta2" double in
  let epsilon = one request "epsilon" double in
  let schedule = one request "schedule" (choose [ ("linear", Training.Linear); ("cosine", Training.Cosine) ]) in
  { Training.learning_rate; beta1; beta2; epsilon; schedule; steps = one request "steps" (integer 1 4096) }

let adam request reply =
  math request;
  let settings = settings request in
  let step = one request "step" (integer 0 (settings.steps - 1)) in
  let shape, p = tensor request "parameters" in
  let g = snd (tensor ~shape request "gradients") in
  let m = snd (tensor ~shape request "m") in
  let v = snd (tensor ~shape request "v") in
  finish request;
  Training.update settings step p g m v;
  let rate, correction1, correction2 = Training.factors settings step in
  let put_factor key x = put reply key [ hex x ] in
  List.iter2 put_factor [ "rate"; "correction1"; "correction2" ] [ rate; correction1; correction2 ];
  List.iter2 (fun name xs -> put_tensor reply name shape (Array.get xs)) [ "m"; "v"; "parameters" ] [ m; v; p ]

let train request reply =
  let shape = shape request in
  let settings = settings request in
  let from = one request "from" (integer 0 (settings.steps - 1)) in
  let last = from + one request "count" (integer 1 (settings.steps - from)) - 1 in
  let full = List.map (integer from last) (take request "full") in
  if List.sort_uniq compare full <> full then refuse "the steps of full must increase";
  let documents = Array.of_list (while_key request "tokens" (document shape)) in
  if documents = [||] then refuse "expected a line tokens";
  let model = Model.create shape (matrices request shape "") in
  let moment prefix = if from = 0 then Array.make model.parameters 0.0 else matrices request shape prefix in
  let m = moment "m." in
  let v = moment "v." in
  finish request;
  for step = from to last do
    let loss = Training.step settings step model documents.(step mod Array.length documents) m v in
    put reply "step" (ints [ step ]);
    put reply "loss" [ hex loss ];
    let all = [ ("gradients", model.tape.gradient); ("m", m); ("v", v); ("parameters", model.tape.value) ] in
    List.iter (fun (key, xs) -> put reply key [ Training.checksum model.parameters xs ]) all;
    if List.mem step full then List.iter (fun (key, xs) -> put_matrices reply shape (key ^ ".") xs) all
  done

let sample request reply =
  let shape = shape request in
  let temperature = one request "temperature" double in
  let samples = one request "samples" (integer 0 1000) in
  let model = Model.create shape (matrices request shape "") in
  let state = take request "state" in
  if List.length state <> 625 then refuse "state takes an index and 624 words";
  let index = integer 0 624 (List.hd state) in
  let words = Array.of_list (List.map (integer 0 Twister.mask) (List.tl state)) in
  let kept = one request "kept" (function "none" -> None | z -> Some (double z)) in
  finish request;
  let twister = { Twister.index; words; kept } in
  let drawn probabilities token =
    put reply "probabilities" (List.map hex (Array.to_list probabilities));
    put reply "token" (ints [ token ]) in
  for i = 0 to samples - 1 do
    put reply "sample" (ints [ i ]);
    ignore (Model.sample ~drawn model temperature twister)
  done;
  put reply "word" (ints [ Twister.word twister ])

let run request reply =
  math request;
  let preset = one request "preset" (choose Run.presets) in
  let steps = one request "steps" (integer 1 4096) in
  let samples = one request "samples" (integer 0 1000) in
  let print line = put reply "print" (ints line) in
  let p, m, v, twister = Run.run preset ~steps ~samples ~print (dataset request) in
  let sum key xs = put reply key [ Training.checksum (Array.length xs) xs ] in
  List.iter2 sum [ "parameters"; "m"; "v" ] [ p; m; v ];
  put reply "word" (ints [ Twister.word twister ])

let rec verbs () =
  [ ("hello", hello); ("arith", arith); ("math", functions); ("random", random); ("tokens", tokens); ("graph", graph);
    ("forward", forward); ("backward", backward); ("adam", adam); ("train", train); ("sample", sample); ("run", run) ]

and hello request reply =
  finish request;
  let verbs = List.map fst (verbs ()) in
  List.iter2 (put reply) [ "name"; "protocol"; "verbs"; "math" ] [ [ "ocaml" ]; [ "1" ]; verbs; [ "exact" ] ]

let is_verb verb = verb <> "" && String.for_all (fun c -> '!' <= c && c <= '~') verb
let is_sign = function 'A' .. 'Z' | 'a' .. 'z' | '0' .. '9' | '.' | '_' | '-' -> true | _ -> false
let is_id id = id <> "" && String.length id <= 64 && String.for_all is_sign id

(* The reply is known before it is written, since a request can be wrong at its last line. *)
let answer complete header rest =
  match String.split_on_char ' ' header with
  | [ verb; id ] when String.length header <= longest && is_verb verb && is_id id -> (
      let reply = Buffer.create 4096 in
      try
        if not complete then refuse "the input ended before the line end";
        let verb = try List.assoc verb (verbs ()) with Not_found -> refuse "unsupported" in
        put reply "ok" [ id ];
        verb (ref rest) reply;
        Buffer.contents reply
      with Failure reason -> Printf.sprintf "error %s %s\n" id reason)
  | _ -> "error - line 1 must be a verb and an id\n"

(* Collects the lines of a request, last one first, and answers it. *)
let rec serve before =
  let send complete =
    let lines = List.rev before in
    let header, rest = if lines = [] then ("", []) else (List.hd lines, List.tl lines) in
    print_string (answer complete header rest ^ "end\n");
    flush stdout in
  match input_line stdin with
  | "end" -> send true; serve []
  | line -> serve (line :: before)
  | exception End_of_file -> if before <> [] then send false

(* The command for people. *)
let command (preset : Run.preset) =
  let rec read lines =
    match input_line stdin with line -> read (Run.decode line :: lines) | exception End_of_file -> List.rev lines in
  let print line =
    let text = Buffer.create 64 in
    List.iter (fun point -> Buffer.add_utf_8_uchar text (Uchar.of_int point)) line;
    print_endline (Buffer.contents text) in
  ignore (Run.run preset ~steps:preset.settings.steps ~samples:20 ~print (read []))

let () =
  try
    match Array.to_list Sys.argv with
    | [ _ ] -> serve []
    | [ _; "run" ] -> command (List.assoc "seed" Run.presets)
    | [ _; "run"; name ] -> command (choose Run.presets name)
    | _ -> failwith "usage: microgpt [run [seed|classic]]"
  with Failure reason -> prerr_endline reason; exit 1
