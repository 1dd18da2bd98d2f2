(* Datasets, and a whole run from seed 42. *)

let documents lines =
  let rec strip = function c :: rest when c = 32 || (c >= 9 && c <= 13) -> strip rest | line -> line in
  let stripped line = Array.of_list (List.rev (strip (List.rev (strip line)))) in
  match List.filter (( <> ) [||]) (List.map stripped lines) with
  | [] -> failwith "the dataset has no documents"
  | documents -> Array.of_list documents

(* The distinct code points, and how a document is encoded. *)
let tokenizer documents =
  let known = Hashtbl.create 64 in
  Array.iter (Array.iter (fun c -> Hashtbl.replace known c 0)) documents;
  let points = Array.of_seq (Hashtbl.to_seq_keys known) in
  if Array.length points > 2047 then failwith "the dataset has more than 2047 distinct characters";
  Array.sort Int.compare points;
  Array.iteri (fun token c -> Hashtbl.replace known c token) points;
  let ends = [| Array.length points |] in
  (points, fun document -> Array.concat [ ends; Array.map (Hashtbl.find known) document; ends ])

type preset = { block : int; sigma : float; sigma_out : float; squared : bool; settings : Training.settings }

let presets =
  let settings beta1 beta2 schedule steps =
    { Training.learning_rate = 0.01; beta1; beta2; epsilon = 1e-8; schedule; steps } in
  [ ("seed", { block = 8; sigma = 0.02; sigma_out = 0.0; squared = true; settings = settings 0.9 0.95 Cosine 500 });
    ("classic", { block = 16; sigma = 0.08; sigma_out = 0.08; squared = false;
                  settings = settings 0.85 0.99 Linear 1000 }) ]

let decimals x =
  if Float.is_nan x then "nan"
  else if Float.abs x = infinity then if x > 0.0 then "inf" else "-inf"
  else Printf.sprintf "%.4f" x

let points text = List.map Char.code (List.of_seq (String.to_seq text))

(* Prints lines of code points. Returns the parameters, the moments and the generator. *)
let run { block; sigma; sigma_out; squared; settings } ~steps ~samples ~print lines =
  let say format = Printf.ksprintf (fun text -> print (points text)) format in
  let twister = Twister.create 42 and documents = documents lines in
  Twister.shuffle twister documents;
  let characters, encode = tokenizer documents in
  let vocabulary = Array.length characters + 1 and attend = Array.init block (fun t -> Array.init (t + 1) Fun.id) in
  let shape = { Model.layers = 1; heads = 4; embedding = 16; block; vocabulary; squared; attend } in
  let draw (name, rows, columns) =
    let sigma = if List.mem name [ "layer0.attn_wo"; "layer0.mlp_fc2" ] then sigma_out else sigma in
    Array.init (rows * columns) (fun _ -> Twister.gauss twister sigma) in
  let model = Model.create shape (Array.concat (List.map draw (Model.matrices shape))) in
  let m = Array.make model.parameters 0.0 and v = Array.make model.parameters 0.0 in
  say "num docs: %d" (Array.length documents);
  say "vocab size: %d" vocabulary;
  say "num params: %d" model.parameters;
  for s = 0 to steps - 1 do
    let document = encode documents.(s mod Array.length documents) in
    let loss = Training.step { settings with steps } s model document m v in
    say "step %4d / %4d | loss %s" (s + 1) steps (decimals loss)
  done;
  say "";
  say "--- inference (new, hallucinated names) ---";
  for i = 1 to samples do
    let sample = Model.sample model 0.5 twister in
    print (points (Printf.sprintf "sample %2d: " i) @ List.map (fun token -> characters.(token)) sample)
  done;
  (Array.sub model.tape.value 0 model.parameters, m, v, twister)

(* The code points of UTF-8. *)
let decode text =
  let byte i = if i < String.length text then Char.code text.[i] else 0 in
  let wrong () = failwith "the input is not UTF-8" in
  let rec go i points =
    if i = String.length text then List.rev points
    else
      let first = byte i in
      let length, start, least =
        if first < 0x80 then (1, first, 0)
        else if first land 0xe0 = 0xc0 then (2, first land 0x1f, 0x80)
        else if first land 0xf0 = 0xe0 then (3, first land 0xf, 0x800)
        else if first land 0xf8 = 0xf0 then (4, first land 7, 0x10000)
        else wrong () in
      let join point k =
        if byte (i + k) land 0xc0 = 0x80 then (point lsl 6) lor (byte (i + k) land 0x3f) else wrong () in
      let point = List.fold_left join start (List.init (length - 1) succ) in
      if point >= least && Uchar.is_valid point then go (i + length) (point :: points) else wrong () in
  go 0 []
