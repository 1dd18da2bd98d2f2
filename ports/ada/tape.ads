--  The autograd (SPEC, section 5). It answers `graph` and trains the model. A node is a number; what makes one from
--  nodes makes a vector from vectors, too.

with Exact; use Exact;

package Tape is

   type Node is private;
   type Nodes is array (Positive range <>) of Node;

   function Value (N : Node) return Double;
   function Value (X : Nodes) return Doubles
   is ([for I in X'Range => Value (X (I))]);
   function Gradient (N : Node) return Double;

   procedure Clear;
   function Leaf (X : Double) return Node;
   function Leaf_At (Place : Positive) return Node;  --  as long as there are leaves alone
   function "+" (A, B : Node) return Node;
   function "*" (A, B : Node) return Node;
   function "+" (A : Node; C : Double) return Node;
   function "*" (C : Double; A : Node) return Node;
   function "**" (A : Node; C : Double) return Node;
   function Exp (A : Node) return Node;
   function Log (A : Node) return Node;
   function Relu (A : Node) return Node;

   function "+" (X, Y : Nodes) return Nodes
   is ([for I in X'Range => X (I) + Y (I)])
   with Pre => X'First = Y'First;
   function "*" (X : Nodes; B : Node) return Nodes
   is ([for I in X'Range => X (I) * B]);
   function "*" (C : Double; X : Nodes) return Nodes
   is ([for I in X'Range => C * X (I)]);

   --  One node for many: none of the operands occurs twice, and none lies below another.
   function Sum (X : Nodes) return Node;
   function Dot (W, X : Nodes) return Node;

   function Softmax (X : Nodes) return Nodes;
   function Rmsnorm (X : Nodes) return Nodes;
   procedure Backward (Root : Node);

private

   type Node is new Positive;

end Tape;
