(* The model, its loss, and sampling from it. *)

type shape = {
  layers : int; heads : int; embedding : int; block : int; vocabulary : int;
  squared : bool; attend : int array array;
}
type matrix = Tape.vector array
type layer = { wq : matrix; wk : matrix; wv : matrix; wo : matrix; fc1 : matrix; fc2 : matrix }
type t = {
  shape : shape; tape : Tape.t;
  parameters : int;  (** they are the first nodes of the tape *)
  wte : matrix; wpe : matrix; lm_head : matrix; layers : layer list;
  keys : Tape.vector array array; values : Tape.vector array array;  (** of each layer at each position *)
}

(* Where an activation belongs. *)
type place = Position of int | Layer of int * int | Head of int * int * int

(* The matrices in their order: name, rows, columns. *)
let matrices (s : shape) =
  let e = s.embedding in
  let of_layer i =
    List.map (fun (name, rows, columns) -> (Printf.sprintf "layer%d.%s" i name, rows, columns))
      [ ("attn_wq", e, e); ("attn_wk", e, e); ("attn_wv", e, e); ("attn_wo", e, e);
        ("mlp_fc1", 4 * e, e); ("mlp_fc2", e, 4 * e) ] in
  ("wte", s.vocabulary, e) :: ("wpe", s.block, e) :: ("lm_head", s.vocabulary, e)
  :: List.concat (List.init s.layers of_layer)

let create (shape : shape) parameters =
  let tape = Tape.create () in
  let cut first (_, rows, columns) =
    (first + (rows * columns), Array.init rows (fun r -> Array.init columns (fun c -> first + (r * columns) + c))) in
  let rec layers = function
    | wq :: wk :: wv :: wo :: fc1 :: fc2 :: rest -> { wq; wk; wv; wo; fc1; fc2 } :: layers rest
    | _ -> [] in
  let cache () = Array.make_matrix shape.layers shape.block [||] in
  Array.iter (fun x -> ignore (Tape.leaf tape x)) parameters;
  match List.fold_left_map cut 0 (matrices shape) with
  | parameters, wte :: wpe :: lm_head :: rest ->
      { shape; tape; parameters; wte; wpe; lm_head; layers = layers rest; keys = cache (); values = cache () }
  | _ -> assert false

let linear tape x w = Array.map (fun row -> Tape.dot tape row x) w

let rmsnorm tape x =
  let mean = Tape.scale tape (Tape.dot tape x x) (1.0 /. float (Array.length x)) in
  let scale = Tape.pow tape (Tape.shift tape mean 0.00001) (-0.5) in
  Array.map (fun a -> Tape.mul tape a scale) x

let softmax tape x =
  let value i = tape.Tape.value.(i) in
  let top = Array.fold_left (fun top a -> if value a > top then value a else top) (value x.(0)) x in
  let exps = Array.map (fun a -> Tape.exp tape (Tape.shift tape a (-.top))) x in
  let total = Tape.sum tape exps in
  (* A pow node for each division; they have the same value and the same local gradient. *)
  let inverse = 1.0 /. value total and local = -1.0 *. Exact.pow (value total) (-2.0) in
  Array.map (fun e -> Tape.mul tape e (Tape.unary tape total inverse local)) exps

let silent (_ : place) (_ : string) (_ : Tape.vector) = ()

(* The logits of the token at position t. Activations are told to [note]. *)
let logits ?(note = silent) ({ tape; shape; keys; values; _ } as model) t token =
  let told place name x = note place name x; x in
  let attended = shape.attend.(t) and size = shape.embedding / shape.heads in
  let attention i q h =
    let here name x = told (Head (t, i, h)) name x in
    let part x = Array.sub x (h * size) size in
    let q = part q and divisor = 1.0 /. sqrt (float size) in
    let score s = Tape.scale tape (Tape.dot tape q (part keys.(i).(s))) divisor in
    let weights = here "weights" (softmax tape (here "scores" (Array.map score attended))) in
    let mix j = Tape.dot tape weights (Array.map (fun s -> values.(i).(s).((h * size) + j)) attended) in
    here "mixed" (Array.init size mix) in
  let activate a = let a = Tape.relu tape a in if shape.squared then Tape.pow tape a 2.0 else a in
  let layer (i, x) w =
    let here name x = told (Layer (t, i)) name x in
    let normed = here "attn_norm" (rmsnorm tape x) in
    let q = here "q" (linear tape normed w.wq) in
    keys.(i).(t) <- here "k" (linear tape normed w.wk);
    values.(i).(t) <- here "v" (linear tape normed w.wv);
    let mixed = Array.concat (List.init shape.heads (attention i q)) in
    let out = here "attn_out" (linear tape mixed w.wo) in
    let x = here "attn_residual" (Array.map2 (Tape.add tape) out x) in
    let hidden = here "hidden" (linear tape (here "mlp_norm" (rmsnorm tape x)) w.fc1) in
    let out = here "mlp_out" (linear tape (here "activated" (Array.map activate hidden)) w.fc2) in
    (i + 1, here "mlp_residual" (Array.map2 (Tape.add tape) out x)) in
  let here name x = told (Position t) name x in
  let embedded = here "embedded" (Array.map2 (Tape.add tape) model.wte.(token) model.wpe.(t)) in
  let _, x = List.fold_left layer (0, here "normed" (rmsnorm tape embedded)) model.layers in
  here "logits" (linear tape x model.lm_head)

(* The node of a document's loss. *)
let loss ?(note = silent) ({ tape; _ } as model) document =
  tape.size <- model.parameters;
  let n = min model.shape.block (Array.length document - 1) in
  let at t =
    let probabilities = softmax tape (logits ~note model t document.(t)) in
    note (Position t) "probabilities" probabilities;
    let loss = Tape.neg tape (Tape.log tape probabilities.(document.(t + 1))) in
    note (Position t) "loss" [| loss |];
    loss in
  Tape.scale tape (Tape.sum tape (Array.init n at)) (1.0 /. float n)

(* One sample without its ends. Each draw is told to [drawn], with its probabilities. *)
let sample ?(drawn = fun _ _ -> ()) ({ tape; shape; _ } as model) temperature twister =
  tape.size <- model.parameters;
  let bos = shape.vocabulary - 1 in
  let rec go t token =
    if t = shape.block then []
    else
      let scaled = Array.map (fun a -> Tape.scale tape a (1.0 /. temperature)) (logits model t token) in
      let probabilities = Array.map (fun p -> tape.value.(p)) (softmax tape scaled) in
      let token = Twister.choice twister probabilities in
      drawn probabilities token;
      if token = bos then [] else token :: go (t + 1) token in
  go 0 bos
