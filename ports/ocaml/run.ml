(* Datasets, and a whole run from seed 42. *)

exception No_dataset of string

let documents lines =
  let white c = c = 32 || (c >= 9 && c <= 13) in
  let rec strip = function c :: rest when white c -> strip rest | line -> line in
  let stripped line = Array.of_list (List.rev (strip (List.rev (strip line)))) in
  let documents = List.filter (fun document -> document <> [||]) (List.map stripped lines) in
  if documents = [] then raise (No_dataset "the dataset has no documents");
  Array.of_list documents

(* The distinct code points, and how a document is encoded. *)
let tokenizer documents =
  let known = Hashtbl.create 64 in
  Array.iter (Array.iter (fun c -> Hashtbl.replace known c 0)) documents;
  let points = Array.of_seq (Hashtbl.to_seq_keys known) in
  Array.sort Int.compare points;
  if Array.length points > 2047 then raise (No_dataset "the dataset has more than 2047 distinct characters");
  Array.iteri (fun token c -> Hashtbl.replace known c token) points;
  let ends = [| Array.length points |] in
  (points, fun document -> Array.concat [ ends; Array.map (Hashtbl.find known) document; ends ])

type preset = { block : int; sigma : float; sigma_out : float; squared : bool; settings : Training.settings }

let seed =
  { block = 8; sigma = 0.02; sigma_out = 0.0; squared = true;
    settings = { learning_rate = 0.01; beta1 = 0.9; beta2 = 0.95; epsilon = 1e-8; schedule = Cosine; steps = 500 } }

let classic =
  { block = 16; sigma = 0.08; sigma_out = 0.08; squared = false;
    settings = { learning_rate = 0.01; beta1 = 0.85; beta2 = 0.99; epsilon = 1e-8; schedule = Linear; steps = 1000 } }

let presets = [ ("seed", seed); ("classic", classic) ]

let decimals x =
  if Float.is_nan x then "nan"
  else if Float.abs x = infinity then if x > 0.0 then "inf" else "-inf"
  else Printf.sprintf "%.4f" x

let points text = List.map Char.code (List.of_seq (String.to_seq text))

(* Prints lines of code points. Returns the parameters, the moments and the generator. *)
let run preset ~steps ~samples ~print lines =
  let say format = Printf.ksprintf (fun text -> print (points text)) format in
  let twister = Twister.create 42 in
  let documents = documents lines in
  Twister.shuffle twister documents;
  let characters, encode = tokenizer documents in
  let vocabulary = Array.length characters + 1 and block = preset.block in
  let attend = Array.init block (fun t -> Array.init (t + 1) Fun.id) in
  let shape = { Model.layers = 1; heads = 4; embedding = 16; block; vocabulary; squared = preset.squared; attend } in
  let draw (name, rows, columns) =
    let out = String.ends_with ~suffix:".attn_wo" name || String.ends_with ~suffix:".mlp_fc2" name in
    let sigma = if out then preset.sigma_out else preset.sigma in
    Array.init (rows * columns) (fun _ -> Twister.gauss twister sigma)
  in
  let model = Model.create shape (Array.concat (List.map draw (Model.matrices shape))) in
  let count = model.parameters in
  say "num docs: %d" (Array.length documents);
  say "vocab size: %d" vocabulary;
  say "num params: %d" count;
  let m = Array.make count 0.0 and v = Array.make count 0.0 in
  for s = 0 to steps - 1 do
    let document = encode documents.(s mod Array.length documents) in
    let loss = Training.step { preset.settings with steps } s model document ~m ~v in
    say "step %4d / %4d | loss %s" (s + 1) steps (decimals loss)
  done;
  say "";
  say "--- inference (new, hallucinated names) ---";
  for i = 1 to samples do
    let sample = Model.sample model 0.5 twister in
    print (points (Printf.sprintf "sample %2d: " i) @ List.map (fun token -> characters.(token)) sample)
  done;
  (Array.sub model.tape.value 0 count, m, v, twister)

(* The code points of UTF-8, or nothing if it is not. *)
let decode text =
  let size = String.length text in
  let rec go i points =
    if i = size then Some (List.rev points)
    else
      let first = Char.code text.[i] in
      let length, start, least =
        if first < 0x80 then (1, first, 0)
        else if first < 0xc0 then (0, 0, 0)
        else if first < 0xe0 then (2, first land 0x1f, 0x80)
        else if first < 0xf0 then (3, first land 0xf, 0x800)
        else if first < 0xf8 then (4, first land 7, 0x10000)
        else (0, 0, 0)
      in
      if length = 0 || i + length > size then None
      else
        let follow = List.init (length - 1) (fun k -> Char.code text.[i + 1 + k]) in
        let point = List.fold_left (fun point byte -> (point lsl 6) lor (byte land 0x3f)) start follow in
        let right = List.for_all (fun byte -> byte land 0xc0 = 0x80) follow in
        if right && point >= least && Uchar.is_valid point then go (i + length) (point :: points) else None
  in
  go 0 []
