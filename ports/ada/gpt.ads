--  Random numbers, the autograd, the model and its training (SPEC, sections 3 to 10).

with Ada.Containers.Vectors;
with Ada.Finalization;
with Ada.Strings.Unbounded;
with Exact;    use Exact;
with Interfaces;
with Protocol; use Protocol;

package GPT is

   subtype Text is Ada.Strings.Unbounded.Unbounded_String;
   subtype Word is Interfaces.Unsigned_32;

   type Words is array (0 .. 623) of Word;

   type Twister is tagged record
      State    : Words;
      Index    : Natural := 624;
      Has_Kept : Boolean := False;
      Kept     : Double := 0.0;
   end record;

   function Seeded (Seed : Word) return Twister;
   function Draw (T : in out Twister) return Word;
   function Random (T : in out Twister) return Double;
   function Gauss (T : in out Twister; Sigma : Double) return Double;
   function Shuffled (T : in out Twister; Count : Natural) return Integers;  --  the numbers from 1, shuffled
   function Choice (T : in out Twister; Weights : Doubles) return Natural;   --  counted from 0

   --  The autograd: a node is a number. Vectors of nodes are plain arrays.
   subtype Node is Positive;
   subtype Nodes is Integers;

   type Tape is new Ada.Finalization.Limited_Controlled with private;

   function Value (T : Tape; N : Node) return Double;
   function Gradient (T : Tape; N : Node) return Double;
   procedure Clear (T : in out Tape);
   function Leaf (T : in out Tape; X : Double) return Node;
   function Add (T : in out Tape; A, B : Node) return Node;
   function Mul (T : in out Tape; A, B : Node) return Node;
   function Add (T : in out Tape; A : Node; C : Double) return Node;
   function Mul (T : in out Tape; A : Node; C : Double) return Node;
   function Pow (T : in out Tape; A : Node; C : Double) return Node;
   function Exp (T : in out Tape; A : Node) return Node;
   function Log (T : in out Tape; A : Node) return Node;
   function Relu (T : in out Tape; A : Node) return Node;
   --  One node for many: none of the operands occurs twice, and none lies below another.
   function Sum (T : in out Tape; X : Nodes) return Node;
   function Dot (T : in out Tape; W, X : Nodes) return Node;
   procedure Backward (T : in out Tape; Root : Node);

   type Shape is record
      Layers, Heads, Embedding, Block, Vocabulary : Positive := 1;
      Is_Squared : Boolean := False;  --  the activation is the square of relu
      Attend     : Integer_Lists.Vector;  --  for each position, those it attends to, counted from 0
   end record;

   type Matrix is record
      Name                 : Text;
      Rows, Columns, First : Positive;  --  First is the node of its first number
   end record;

   package Matrix_Vectors is new Ada.Containers.Vectors (Positive, Matrix);

   function Matrices (S : Shape) return Matrix_Vectors.Vector;
   function Take_Matrices (R : in out Request; S : Shape; Prefix : String) return Double_Vectors.Vector;
   procedure Put_Matrices (R : in out Reply; S : Shape; Prefix : String; X : Double_Vectors.Vector);

   type Cube is array (Positive range <>, Positive range <>, Positive range <>) of Natural;
   type Cube_Access is access Cube;
   type Reply_Access is access all Reply;

   --  The parameters become the first nodes of the tape, whenever a document begins.
   type Model is new Ada.Finalization.Limited_Controlled with record
      Form          : Shape;
      Matrices      : Matrix_Vectors.Vector;
      Parameters    : Double_Vectors.Vector;
      Line          : Tape;
      Keys, Values  : Cube_Access;   --  by layer, position and element
      Note          : Reply_Access;  --  where activations and draws are put, if anywhere
   end record;

   procedure Make (Net : in out Model; S : Shape; Parameters : Double_Vectors.Vector);
   overriding procedure Finalize (Net : in out Model);
   function Loss (Net : in out Model; Tokens : Integers) return Node;
   function Sample (Net : in out Model; Temperature : Double; T : in out Twister'Class) return Integers;
   function Gradients (Net : Model) return Double_Vectors.Vector;

   type Adam is tagged record
      Learning_Rate, Beta_1, Beta_2, Epsilon : Double;
      Is_Cosine : Boolean;
      Steps     : Positive;
   end record;

   function Rate (A : Adam; Step : Natural) return Double;
   function Correction (Beta : Double; Step : Natural) return Double;
   procedure Update (A : Adam; Step : Natural; P : in out Double_Vectors.Vector; G : Double_Vectors.Vector;
                     M, V : in out Double_Vectors.Vector);
   --  One step on a document; its loss.
   function Train (A : Adam; Step : Natural; Net : in out Model'Class; Tokens : Integers; M, V : in out Double_Vectors.Vector)
     return Double;

   procedure Add_Document (Documents : in out Integer_Lists.Vector; Line : Integers);  --  stripped, unless it is empty
   function Vocabulary (Documents : Integer_Lists.Vector) return Integers;  --  its code points in order
   function Encoded (Document, Points : Integers) return Integers;

   --  Print gets text, and code points that follow it.
   procedure Run
     (Is_Seed : Boolean; Steps : Positive; Samples : Natural; Documents : Integer_Lists.Vector;
      Print   : not null access procedure (Line : String; Points : Integers);
      Net     : in out Model'Class; M, V : out Double_Vectors.Vector; T : out Twister'Class);

private

   --  The children of a node begin at First: one a term, or the two factors of each term of a product. In any other node
   --  Local is the local gradient for every child.
   type Node_Record is record
      First, Children        : Natural;
      Is_Product             : Boolean;
      Local, Value, Gradient : Double;
   end record;

   type Node_Records is array (Positive range <>) of Node_Record;
   type Node_Records_Access is access Node_Records;
   type Nodes_Access is access Nodes;

   type Tape is new Ada.Finalization.Limited_Controlled with record
      Size, Used : Natural := 0;
      Item       : Node_Records_Access;
      Child      : Nodes_Access;
   end record;

   overriding procedure Finalize (T : in out Tape);

end GPT;
