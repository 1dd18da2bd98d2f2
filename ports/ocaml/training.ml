(* Adam, and the checksums of what it makes. *)

type schedule = Linear | Cosine
type settings = {
  learning_rate : float; beta1 : float; beta2 : float; epsilon : float;
  schedule : schedule; steps : int;
}

(* The rate and the two corrections of a step. *)
let factors s step =
  let progress = float step and steps = float s.steps and power = float (step + 1) in
  let rate =
    match s.schedule with
    | Linear -> s.learning_rate *. (1.0 -. (progress /. steps))
    | Cosine -> s.learning_rate *. 0.5 *. (1.0 +. Exact.cos (0x1.921fb54442d18p+1 *. progress /. steps)) in
  (rate, 1.0 -. Exact.pow s.beta1 power, 1.0 -. Exact.pow s.beta2 power)

let root x = if x > 0.0 then sqrt x else Exact.pow x 0.5

(* Updates as many parameters p as there are moments. *)
let update ({ beta1; beta2; epsilon; _ } as s) step p g m v =
  let rate, correction1, correction2 = factors s step in
  for i = 0 to Array.length m - 1 do
    m.(i) <- (beta1 *. m.(i)) +. ((1.0 -. beta1) *. g.(i));
    v.(i) <- (beta2 *. v.(i)) +. ((1.0 -. beta2) *. (g.(i) *. g.(i)));
    p.(i) <- p.(i) -. (rate *. (m.(i) /. correction1) /. (root (v.(i) /. correction2) +. epsilon))
  done

(* One step on a document; the loss. *)
let step s step (model : Model.t) document m v =
  let root = Model.loss model document in
  let { Tape.value; gradient; _ } = model.tape in
  Tape.backward model.tape root;
  let loss = value.(root) in
  update s step value gradient m v;
  loss

(* All NaNs count as one. *)
let bits x = if Float.is_nan x then 0x7ff8000000000000L else Int64.bits_of_float x

let checksum count doubles =
  let a = ref 1 and b = ref 0 in
  let add h = a := (!a + h) mod 4294967291; b := (!b + !a) mod 4294967291 in
  for i = 0 to count - 1 do
    let pattern = bits doubles.(i) in
    add (Int64.to_int (Int64.shift_right_logical pattern 32));
    add (Int64.to_int pattern land 0xffffffff)
  done;
  Printf.sprintf "%08x %08x" !a !b
