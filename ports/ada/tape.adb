with Ada.Unchecked_Deallocation;

package body Tape is

   --  The edges of a node to its children begin at First and end where those of the next one begin.
   type Node_Record is record
      First           : Positive;
      Value, Gradient : Double;
      Is_Waiting      : Boolean;
   end record;
   type Edge is record
      Child : Node;
      Local : Double;
   end record;
   type Edges is array (Positive range <>) of Edge;

   generic
      type Item is private;
      type Items is array (Positive range <>) of Item;
      type Items_Access is access Items;
   procedure Lengthen (List : in out Items_Access; Used, Wanted : Natural);

   procedure Lengthen (List : in out Items_Access; Used, Wanted : Natural) is
      procedure Free is new Ada.Unchecked_Deallocation (Items, Items_Access);
      Old : Items_Access := List;
   begin
      if Wanted > Old'Last then
         List := new Items (1 .. 2 * Wanted);
         List (1 .. Used) := Old (1 .. Used);
         Free (Old);
      end if;
   end Lengthen;

   type Node_Records is array (Positive range <>) of Node_Record;
   type Node_Records_Access is access Node_Records;
   type Edges_Access is access Edges;
   type Numbers is array (Positive range <>) of Integer;
   type Numbers_Access is access Numbers;
   procedure Make_Room is new Lengthen (Node_Record, Node_Records, Node_Records_Access);
   procedure Make_Room is new Lengthen (Edge, Edges, Edges_Access);
   procedure Free is new Ada.Unchecked_Deallocation (Numbers, Numbers_Access);

   Item : Node_Records_Access := new Node_Records (1 .. 1024);
   To   : Edges_Access := new Edges (1 .. 1024);
   Size : Natural := 0;  --  Item (Size + 1) says where the next edges begin

   function Value (N : Node) return Double
   is (Item (Positive (N)).Value);

   function Gradient (N : Node) return Double
   is (Item (Positive (N)).Gradient);

   procedure Clear is
   begin
      Size := 0;
      Item (1).First := 1;
   end Clear;

   function Add (X : Double; Children : Edges) return Node is
      Next : constant Positive := Item (Size + 1).First + Children'Length;
   begin
      Make_Room (Item, Size + 1, Size + 2);
      Make_Room (To, Next - Children'Length - 1, Next);
      To (Next - Children'Length .. Next - 1) := Children;
      Size := Size + 1;
      Item (Size).Value := X;
      Item (Size + 1).First := Next;
      return Node (Size);
   end Add;

   function Leaf (X : Double) return Node
   is (Add (X, []));

   function Leaf_At (Place : Positive) return Node
   is (Node (Place));

   function "+" (A, B : Node) return Node
   is (Add (Value (A) + Value (B), [(A, 1.0), (B, 1.0)]));

   function "*" (A, B : Node) return Node
   is (Add (Value (A) * Value (B), [(A, Value (B)), (B, Value (A))]));

   function "+" (A : Node; C : Double) return Node
   is (Add (Value (A) + C, [(A, 1.0)]));

   function "*" (C : Double; A : Node) return Node
   is (Add (Value (A) * C, [(A, C)]));

   function "**" (A : Node; C : Double) return Node
   is (Add (Pow (Value (A), C), [(A, C * Pow (Value (A), C - 1.0))]));

   function Log (A : Node) return Node
   is (Add (Log (Value (A)), [(A, 1.0 / Value (A))]));

   function Exp (A : Node) return Node is
      Y : constant Double := Exp (Value (A));
   begin
      return Add (Y, [(A, Y)]);
   end Exp;

   function Relu (A : Node) return Node
   is (if Value (A) > 0.0 then Add (Value (A), [(A, 1.0)]) else Add (0.0, [(A, 0.0)]));

   function Sum (X : Nodes) return Node is
      Total : Double := 0.0;
   begin
      for Each of X loop
         Total := Total + Value (Each);
      end loop;
      return Add (Total, [for I in X'Range => (X (I), 1.0)]);
   end Sum;

   function Dot (W, X : Nodes) return Node is
      Total : Double := 0.0;
      Pairs : Edges (1 .. 2 * W'Length);
      A, B  : Node;
   begin
      for I in 1 .. W'Length loop
         A := W (W'First + I - 1);
         B := X (X'First + I - 1);
         Total := Total + Value (A) * Value (B);
         Pairs (2 * I - 1) := (A, Value (B));
         Pairs (2 * I) := (B, Value (A));
      end loop;
      return Add (Total, Pairs);
   end Dot;

   --  Every division has a pow node of its own; they are alike.
   function Softmax (X : Nodes) return Nodes is
      Top   : Double := Value (X (X'First));
      Y     : Nodes := X;
      Total : Node;
      Local : Double;
   begin
      for Each of X loop
         if Value (Each) > Top then
            Top := Value (Each);
         end if;
      end loop;
      for Each of Y loop
         Each := Exp (Each + (-Top));
      end loop;
      Total := Sum (Y);
      Local := -Pow (Value (Total), -2.0);
      for Each of Y loop
         Each := Each * Add (1.0 / Value (Total), [(Total, Local)]);
      end loop;
      return Y;
   end Softmax;

   function Rmsnorm (X : Nodes) return Nodes is
      Mean : constant Node := (1.0 / Double (X'Length)) * Dot (X, X);
   begin
      return X * ((Mean + 0.00001) ** (-0.5));
   end Rmsnorm;

   --  The order is depth-first, each node after its children. What is on the stack as -N was N, and is done.
   procedure Backward (Root : Node) is
      Order        : Numbers_Access := new Numbers (1 .. Size);
      Stack        : Numbers_Access := new Numbers (1 .. Size + Item (Size + 1).First);
      Depth, Count : Natural := 0;
      Top          : Integer;

      procedure Push (N : Integer) is
      begin
         Depth := Depth + 1;
         Stack (Depth) := N;
      end Push;
   begin
      for N in 1 .. Size loop
         Item (N).Is_Waiting := Item (N + 1).First > Item (N).First;  --  nothing is below a leaf
         Item (N).Gradient := 0.0;
      end loop;
      Push (Integer (Root));
      while Depth > 0 loop
         Top := Stack (Depth);
         Depth := Depth - 1;
         if Top < 0 then
            Count := Count + 1;
            Order (Count) := -Top;
         elsif Item (Top).Is_Waiting then
            Item (Top).Is_Waiting := False;
            Push (-Top);
            for E of reverse To (Item (Top).First .. Item (Top + 1).First - 1) loop
               if Item (Positive (E.Child)).Is_Waiting then
                  Push (Integer (E.Child));
               end if;
            end loop;
         end if;
      end loop;
      Item (Positive (Root)).Gradient := 1.0;
      for N of reverse Order (1 .. Count) loop
         for E of To (Item (N).First .. Item (N + 1).First - 1) loop
            declare
               Child : Node_Record renames Item (Positive (E.Child));
            begin
               Child.Gradient := Child.Gradient + E.Local * Item (N).Gradient;
            end;
         end loop;
      end loop;
      Free (Order);
      Free (Stack);
   end Backward;

end Tape;
