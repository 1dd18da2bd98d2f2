--  The model, its training, text, and a whole run (SPEC, sections 4 and 6 to 10). There is one model at a time.

with Ada.Containers.Vectors;
with Ada.Strings.Unbounded;
with Exact;    use Exact;
with Protocol; use Protocol;
with Tape;     use Tape;

package GPT is

   Layers, Heads, Embedding, Block, Vocabulary : Positive;

   Is_Squared : Boolean;               --  the activation is the square of relu
   Is_Traced  : Boolean;               --  activations are put into the reply
   Attend     : Integer_Lists.Vector;  --  for each position, those it attends to, counted from 0

   type Matrix is record
      Name                 : Ada.Strings.Unbounded.Unbounded_String;
      Rows, Columns, First : Positive;  --  First is the node of its first number
   end record;

   package Matrix_Vectors is new Ada.Containers.Vectors (Positive, Matrix);

   Matrices         : Matrix_Vectors.Vector;
   Parameters, M, V : Double_Vectors.Vector;  --  The parameters become the first nodes whenever a document begins.

   procedure Make_Matrices;
   procedure Start (Numbers : Double_Vectors.Vector);
   function Loss (Tokens : Integers) return Node;
   --  The probabilities of what follows the token at position T, both counted from 1.
   function Predict (T, Token : Positive; Temperature : Double) return Doubles;
   function Gradients return Double_Vectors.Vector;

   type Adam is record
      Learning_Rate : Double := 0.01;
      Beta_1        : Double := 0.9;
      Beta_2        : Double := 0.95;
      Epsilon       : Double := 1.0e-8;
      Is_Cosine     : Boolean := True;
      Steps         : Positive;
   end record;

   function Rate (A : Adam; Step : Natural) return Double;
   function Correction (Beta : Double; Step : Natural) return Double;
   procedure Update (A : Adam; Step : Natural; P, G, M, V : in out Double_Vectors.Vector);
   function Train (A : Adam; Step : Natural; Tokens : Integers) return Double;  --  one step on a document; its loss

   procedure Add_Document (Documents : in out Integer_Lists.Vector; Line : Integers);  --  stripped, unless it is empty
   function Distinct (Documents : Integer_Lists.Vector) return Integers;  --  code points in order
   function Encoded (Document, Points : Integers) return Integers;

   --  Print gets text, and code points that follow it.
   procedure Run
     (Is_Seed : Boolean; Steps : Positive; Samples : Natural; Documents : Integer_Lists.Vector;
      Print   : not null access procedure (Line : String; Points : Integers));

end GPT;
